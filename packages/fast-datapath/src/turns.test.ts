import { describe, expect, test } from "vitest";
import { QUANTUM, type Source, type Tenant, Turns } from "./turns.ts";

/** A source that has work for ever, or for so many servings, and what it was given. */
class Work implements Source {
  queued = false;
  next: Source | null = null;
  served = 0;
  bytes = 0;
  readonly tenant: Tenant;
  readonly #turns: Turns;
  readonly #cost: number;
  left: number;

  constructor(turns: Turns, tenant: string, cost: number, left = Number.POSITIVE_INFINITY) {
    this.#turns = turns;
    this.tenant = turns.hold(tenant);
    this.#cost = cost;
    this.left = left;
    if (left > 0) turns.enqueue(this);
  }

  serve(): number {
    this.served += 1;
    this.bytes += this.#cost;
    this.left -= 1;
    if (this.left > 0) this.#turns.enqueue(this);
    return this.#cost;
  }

  fault(): void {}
}

const sum = (all: readonly Work[]): number => all.reduce((n, w) => n + w.bytes, 0);

describe("turns", () => {
  test("a tenant with a hundred busy sources gets no more than one with a single one", () => {
    const turns = new Turns();
    const many = Array.from({ length: 100 }, () => new Work(turns, "many", QUANTUM));
    const one = new Work(turns, "one", QUANTUM);
    for (let i = 0; i < 1000; i++) turns.step();
    expect(Math.abs(sum(many) - one.bytes)).toBeLessThanOrEqual(2 * QUANTUM);
    const most = Math.max(...many.map((w) => w.served));
    expect(most - Math.min(...many.map((w) => w.served))).toBeLessThanOrEqual(1);
  });

  test("small pieces and whole reads weigh by their bytes", () => {
    const turns = new Turns();
    const small = Array.from({ length: 10 }, () => new Work(turns, "small", 10_000));
    const large = new Work(turns, "large", 3 * QUANTUM); // more than its turn: it pays back
    for (let i = 0; i < 3000; i++) turns.step();
    expect(sum(small) / large.bytes).toBeGreaterThan(0.95);
    expect(sum(small) / large.bytes).toBeLessThan(1.05);
  });

  test("who had nothing to do comes before those who are always busy", () => {
    const turns = new Turns();
    const busy = Array.from({ length: 20 }, (_, i) => new Work(turns, `busy ${i}`, QUANTUM));
    for (let i = 0; i < 40; i++) turns.step();
    const quiet = new Work(turns, "quiet", 100, 1);
    const before = sum(busy);
    turns.step();
    expect(quiet.served).toBe(1);
    expect(sum(busy) - before).toBeLessThanOrEqual(QUANTUM);
  });

  test("those who come and go at every step do not starve the busy", () => {
    const turns = new Turns();
    const busy = new Work(turns, "busy", QUANTUM);
    const sneaks = Array.from({ length: 50 }, (_, i) => new Work(turns, `sneak ${i}`, 3000, 0));
    for (let i = 0; i < 100; i++) {
      for (const s of sneaks) {
        s.left = 1;
        turns.enqueue(s);
      }
      turns.step();
    }
    expect(busy.served).toBeGreaterThanOrEqual(99);
  });

  test("work that is charged shortens the turn", () => {
    const turns = new Turns();
    const shaking = new Work(turns, "shaking", 500);
    const other = new Work(turns, "other", QUANTUM);
    const serve = shaking.serve.bind(shaking);
    shaking.serve = () => {
      turns.charge(shaking.tenant, QUANTUM);
      return serve();
    };
    for (let i = 0; i < 200; i++) turns.step();
    expect(shaking.served).toBeLessThanOrEqual(other.served + 2);
  });

  test("nothing waits when all is done, and tenants are forgotten with their last holder", () => {
    const turns = new Turns();
    const work = new Work(turns, "a", 1, 3);
    expect(turns.waiting).toBe(true);
    turns.step();
    expect([work.served, turns.waiting, turns.tenants]).toEqual([3, false, 1]);
    turns.step();
    turns.release(work.tenant);
    expect(turns.tenants).toBe(0);
  });
});
