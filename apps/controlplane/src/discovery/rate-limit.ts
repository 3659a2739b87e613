import type { Clock } from "@lateen/lifecycle";

/**
 * Lets through so many a second, one after another. Who would wait longer than allowed is turned away at once, so what waits is
 * bounded.
 */
export class RateLimit {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #burst: number;
  readonly #maxWaitMs: number;
  #nextMs = 0;

  constructor(clock: Clock, o: { readonly perSecond: number; readonly burst?: number; readonly maxWaitMs?: number }) {
    this.#clock = clock;
    this.#everyMs = 1_000 / o.perSecond;
    this.#burst = o.burst ?? 1;
    this.#maxWaitMs = o.maxWaitMs ?? 0;
  }

  /** Takes a place. @returns milliseconds to wait for it; null: there is none */
  take(): number | null {
    const nowMs = this.#clock.nowMs();
    const free = Math.max(this.#nextMs, nowMs - (this.#burst - 1) * this.#everyMs);
    const waitMs = Math.max(0, Math.floor(free - nowMs)); // less than what a timer can tell is nothing
    if (waitMs > this.#maxWaitMs) return null;
    this.#nextMs = free + this.#everyMs;
    return waitMs;
  }
}

/** A limit for each of many, of whom those that asked last are remembered. */
export class RateLimits {
  readonly #make: () => RateLimit;
  readonly #max: number;
  readonly #limits = new Map<string, RateLimit>();

  constructor(make: () => RateLimit, max = 10_000) {
    this.#make = make;
    this.#max = max;
  }

  of(key: string): RateLimit {
    const limit = this.#limits.get(key) ?? this.#make();
    this.#limits.delete(key);
    this.#limits.set(key, limit);
    if (this.#limits.size > this.#max)
      for (const oldest of this.#limits.keys()) {
        this.#limits.delete(oldest);
        break;
      }
    return limit;
  }
}
