import type { Trust } from "./api.ts";
import type { BudgetsSnapshot } from "./snapshot.ts";

/** Frame kinds that cost the sender little and us something. */
export const Budget = {
  Reset: 0,
  Settings: 1,
  Ping: 2,
  EmptyData: 3,
  Priority: 4,
  WindowUpdate: 5,
  Unknown: 6,
} as const;
export type Budget = (typeof Budget)[keyof typeof Budget];

interface Limit {
  readonly name: string;
  readonly burst: number;
  readonly perSec: number;
}

/** Budgets of a stranger, in the order of `Budget`. @see security reference 3.3 */
const LIMITS: readonly Limit[] = [
  { name: "stream reset", burst: 100, perSec: 33 },
  { name: "SETTINGS", burst: 20, perSec: 2 },
  { name: "PING", burst: 20, perSec: 2 },
  { name: "empty DATA", burst: 100, perSec: 10 },
  { name: "PRIORITY", burst: 100, perSec: 10 },
  { name: "WINDOW_UPDATE", burst: 1000, perSec: 200 },
  { name: "unknown frame", burst: 100, perSec: 10 },
];
/** An authenticated peer gets this many times as much: enough for any real workload, still a bound on a hijacked one. */
const GENEROSITY = 100;

/** Token buckets, one per kind, refilled by `tick` alone: no clock is read per frame. */
export class Budgets {
  trust: Trust;
  /** Frames beyond a stranger's budget that an authenticated peer was allowed. */
  over = 0;
  readonly #spent = new Float64Array(LIMITS.length);

  constructor(trust: Trust) {
    this.trust = trust;
  }

  /** @returns the kind's name when this frame breaks the budget, else null */
  charge(kind: Budget): string | null {
    const limit = LIMITS[kind];
    if (limit === undefined) return null;
    const spent = (this.#spent[kind] ?? 0) + 1;
    this.#spent[kind] = spent;
    if (spent <= limit.burst) return null;
    if (this.trust === "stranger") return limit.name;
    this.over += 1;
    return spent <= limit.burst * GENEROSITY ? null : limit.name;
  }

  snapshot(): BudgetsSnapshot {
    return { trust: this.trust, over: this.over, spent: [...this.#spent] };
  }

  restore(from: BudgetsSnapshot): void {
    this.trust = from.trust;
    this.over = from.over;
    this.#spent.set(from.spent.slice(0, this.#spent.length));
  }

  refill(elapsedMs: number): void {
    const times = this.trust === "stranger" ? 1 : GENEROSITY;
    for (const [i, limit] of LIMITS.entries()) {
      this.#spent[i] = Math.max(0, (this.#spent[i] ?? 0) - (limit.perSec * times * elapsedMs) / 1000);
    }
  }
}
