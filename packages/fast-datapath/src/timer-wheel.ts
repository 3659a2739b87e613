/** Undoes what it was returned for, if that has not happened yet. Idempotent. */
export type Cancel = () => void;

class Timer {
  readonly run: () => void;
  /** The step at which it is due. */
  readonly due: number;
  /** Neighbours in the slot's ring; null once it ran or was cancelled. */
  previous: Timer | null = null;
  next: Timer | null = null;

  constructor(run: () => void, due: number) {
    this.run = run;
    this.due = due;
  }
}

/**
 * All timers of one loop. Coarse, because nothing here needs better: a timer runs at most one step late, never early. Adding and
 * cancelling cost the same however many there are.
 */
export class TimerWheel {
  readonly #stepMs: number;
  readonly #slots: (Timer | null)[];
  readonly #mask: number;
  /** The last step that was looked at. */
  #step: number;
  #count = 0;
  /** No slot before this step holds a timer, so that looking for the next one does not begin anew each turn. */
  #emptyBefore: number;

  /** @param slots a power of two */
  constructor(nowMs: number, stepMs = 8, slots = 512) {
    this.#stepMs = stepMs;
    this.#slots = Array.from({ length: slots }, () => null);
    this.#mask = slots - 1;
    this.#step = Math.floor(nowMs / stepMs);
    this.#emptyBefore = this.#step + 1;
  }

  get size(): number {
    return this.#count;
  }

  after(nowMs: number, ms: number, run: () => void): Cancel {
    const due = Math.max(this.#step + 1, Math.ceil((nowMs + ms) / this.#stepMs));
    const timer = new Timer(run, due);
    this.#insert(timer);
    return () => this.#remove(timer);
  }

  /** Hands out what is due, oldest step first. What is added meanwhile waits for its own step. */
  advance(nowMs: number, fire: (run: () => void) => void): void {
    const last = Math.floor(nowMs / this.#stepMs);
    // After a pause of more than one turn each slot needs to be looked at once only.
    if (last - this.#step > this.#mask + 1) this.#step = last - this.#mask - 1;
    while (this.#step < last) {
      this.#step += 1;
      if (this.#slots[this.#step & this.#mask] !== null) this.#fireSlot(last, fire);
    }
  }

  #fireSlot(now: number, fire: (run: () => void) => void): void {
    const due: Timer[] = [];
    const first = this.#slots[this.#step & this.#mask] ?? null;
    for (let timer = first; timer !== null; timer = timer.next === first ? null : timer.next)
      if (timer.due <= now) due.push(timer);
    for (const timer of due) {
      if (timer.next === null) continue; // cancelled by one before it
      this.#remove(timer);
      fire(timer.run);
    }
  }

  /** @returns when the next timer may be due, at most one turn of the wheel ahead; Infinity when there is none */
  nextMs(): number {
    if (this.#count === 0) return Infinity;
    let step = Math.max(this.#step + 1, this.#emptyBefore);
    const end = this.#step + 1 + this.#mask;
    while (step < end && this.#slots[step & this.#mask] === null) step += 1;
    this.#emptyBefore = step;
    return step * this.#stepMs;
  }

  #insert(timer: Timer): void {
    const slot = timer.due & this.#mask;
    const next = this.#step + 1;
    const looked = next + ((timer.due - next) & this.#mask); // when its slot is looked at first
    if (looked < this.#emptyBefore) this.#emptyBefore = looked;
    const first = this.#slots[slot] ?? null;
    if (first === null) {
      timer.previous = timer;
      timer.next = timer;
      this.#slots[slot] = timer;
    } else {
      const last = first.previous ?? first;
      timer.previous = last;
      timer.next = first;
      last.next = timer;
      first.previous = timer;
    }
    this.#count += 1;
  }

  #remove(timer: Timer): void {
    const { previous, next } = timer;
    if (previous === null || next === null) return;
    const slot = timer.due & this.#mask;
    if (next === timer) this.#slots[slot] = null;
    else {
      previous.next = next;
      next.previous = previous;
      if (this.#slots[slot] === timer) this.#slots[slot] = next;
    }
    timer.previous = null;
    timer.next = null;
    this.#count -= 1;
  }
}
