/** A member's place in its roster, of use to `remove` it. Only `Roster` writes it. */
export class Seat<T> {
  readonly member: T;
  previous: Seat<T> | null = null;
  next: Seat<T> | null = null;
  taken = true;

  constructor(member: T) {
    this.member = member;
  }
}

/**
 * Members that come and go by the thousand, in the order in which they came: what `Set` is for, but for what it leaves behind. A `Set`
 * has its entries in tables that it replaces every few changes, and an outgrown table points to its successor. Once a collection of all
 * garbage has made one of them old, each table after it is kept by a dead one, and so are the members in it, until the next such
 * collection: short-lived objects all become old garbage. Here whoever leaves points to nobody.
 */
export class Roster<T> {
  #first: Seat<T> | null = null;
  #last: Seat<T> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @returns what `remove` takes */
  add(member: T): Seat<T> {
    const seat = new Seat(member);
    const last = this.#last;
    if (last === null) this.#first = seat;
    else {
      seat.previous = last;
      last.next = seat;
    }
    this.#last = seat;
    this.#size += 1;
    return seat;
  }

  /** Idempotent. The seat must be one of this roster. */
  remove(seat: Seat<T>): void {
    if (!seat.taken) return;
    seat.taken = false;
    const { previous, next } = seat;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    seat.previous = null;
    seat.next = null;
    this.#size -= 1;
  }

  /** A copy: members may come and go while it is gone through. */
  members(): readonly T[] {
    const members: T[] = [];
    for (let seat = this.#first; seat !== null; seat = seat.next) members.push(seat.member);
    return members;
  }
}
