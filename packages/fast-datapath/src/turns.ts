/** Something that has work waiting: a socket with bytes to read, a listener with connections to accept. */
export interface Source {
  readonly tenant: Tenant;
  /** In its tenant's queue. Only `Turns` writes it. */
  queued: boolean;
  /** The next in that queue. Only `Turns` writes it. */
  next: Source | null;
  /** Does one piece of work. @returns what it cost, in bytes */
  serve(): number;
  /** `serve` threw. */
  fault(): void;
}

/** What a tenant may spend before the others have their turn. One whole read. */
export const QUANTUM = 262_144;
/** The least that anything costs: system calls and handlers are not free either. */
const MIN_COST = 2048;

/** Whose work it is: all sources of one tenant share its turn. */
export class Tenant {
  readonly name: string;
  /** Sources and whoever else holds it; at 0 it is forgotten. */
  holders = 0;
  /** What is left of its turn; below 0 what it has taken too much. */
  credit = 0;
  /** Waits for its turn. */
  waiting = false;
  /** In the line of those that come first. */
  fresh = false;
  next: Tenant | null = null;
  first: Source | null = null;
  last: Source | null = null;

  constructor(name: string) {
    this.name = name;
  }

  push(source: Source): void {
    source.queued = true;
    source.next = null;
    if (this.last === null) this.first = source;
    else this.last.next = source;
    this.last = source;
  }

  shift(): Source | null {
    const source = this.first;
    if (source === null) return null;
    this.first = source.next;
    if (this.first === null) this.last = null;
    source.next = null;
    source.queued = false;
    return source;
  }
}

/** A line of tenants. */
class Line {
  first: Tenant | null = null;
  #last: Tenant | null = null;

  push(tenant: Tenant): void {
    tenant.next = null;
    if (this.#last === null) this.first = tenant;
    else this.#last.next = tenant;
    this.#last = tenant;
  }

  shift(): Tenant | null {
    const tenant = this.first;
    if (tenant === null) return null;
    this.first = tenant.next;
    if (this.first === null) this.#last = null;
    tenant.next = null;
    return tenant;
  }
}

/**
 * Deficit round robin: each tenant with work gets the same number of bytes per round, however many sources it has. One that had
 * nothing to do comes before those that are always busy, so that a few bytes never wait for many; between two of the busy ones
 * whoever is fresh meanwhile is served, once each.
 */
export class Turns {
  readonly #tenants = new Map<string, Tenant>();
  readonly #fresh = new Line();
  readonly #busy = new Line();
  readonly #serve: (source: Source) => number;

  /** @param serve calls `source.serve`, and deals with what it throws */
  constructor(serve: (source: Source) => number = (source) => source.serve()) {
    this.#serve = serve;
  }

  /** Whether anything waits. */
  get waiting(): boolean {
    return this.#fresh.first !== null || this.#busy.first !== null;
  }

  get tenants(): number {
    return this.#tenants.size;
  }

  /** The tenant of this name, held once more. */
  hold(name: string): Tenant {
    const known = this.#tenants.get(name);
    const tenant = known ?? new Tenant(name);
    if (known === undefined) this.#tenants.set(name, tenant);
    tenant.holders += 1;
    return tenant;
  }

  release(tenant: Tenant): void {
    tenant.holders -= 1;
    if (tenant.holders === 0) this.#tenants.delete(tenant.name);
  }

  /** Notes that the source has work. */
  enqueue(source: Source): void {
    if (source.queued) return;
    const { tenant } = source;
    tenant.push(source);
    if (tenant.waiting) return;
    tenant.waiting = true;
    tenant.fresh = tenant.credit >= 0;
    (tenant.fresh ? this.#fresh : this.#busy).push(tenant);
  }

  /** Counts work that was not a source's own: a handshake keeps the thread busy as many bytes do. */
  charge(tenant: Tenant, cost: number): void {
    tenant.credit -= cost;
  }

  /** Serves everyone who is fresh now, and then one of the busy. What is left waits for the next call. */
  step(): void {
    let last = this.#lastFresh();
    while (last !== null) {
      const tenant = this.#fresh.shift();
      if (tenant === null) break;
      this.#turn(tenant);
      if (tenant === last) last = null;
    }
    const busy = this.#busy.shift();
    if (busy !== null) this.#turn(busy);
  }

  #lastFresh(): Tenant | null {
    let tenant = this.#fresh.first;
    while (tenant !== null && tenant.next !== null) tenant = tenant.next;
    return tenant;
  }

  #turn(tenant: Tenant): void {
    tenant.credit += QUANTUM;
    tenant.fresh = false;
    while (tenant.credit > 0) {
      const source = tenant.shift();
      if (source === null) break;
      const cost = this.#serve(source); // which may charge the tenant, so not inside the next line
      tenant.credit -= Math.max(MIN_COST, cost);
    }
    if (tenant.first !== null) {
      this.#busy.push(tenant);
      return;
    }
    tenant.waiting = false;
    if (tenant.credit > 0) tenant.credit = 0; // no savings
  }
}
