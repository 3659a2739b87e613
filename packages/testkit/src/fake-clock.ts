interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * A clock that moves only when told to. Fits every parameter of ours that wants `nowMs()` or `after()`.
 */
export class FakeClock {
  #nowMs: number;
  #order = 0;
  readonly #timers = new Set<Timer>();

  /** @param startMs milliseconds since the epoch at which the clock stands first */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }

  /** Milliseconds since the epoch. A bound function: it can be passed on by itself. */
  readonly nowMs = (): number => this.#nowMs;

  /** Runs `run` once when the clock has moved `delayMs` on; disposal cancels it. Bound, as `nowMs`. */
  readonly after = (delayMs: number, run: () => void): Disposable => {
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) };
  };

  /** Timers that wait. A test of code that owns timers asserts 0 at its end. */
  get pending(): number {
    return this.#timers.size;
  }

  /** How long until the next timer, or null when none waits. */
  get nextInMs(): number | null {
    const next = this.#next(Infinity);
    return next === null ? null : next.atMs - this.#nowMs;
  }

  /** Moves on by `ms` and runs what comes due on the way, in order of time; timers set meanwhile count too. */
  advance(ms: number): void {
    const until = this.#nowMs + ms;
    for (let timer = this.#next(until); timer !== null; timer = this.#next(until)) {
      this.#timers.delete(timer);
      this.#nowMs = timer.atMs;
      timer.run();
    }
    this.#nowMs = until;
  }

  /** As `advance`, and lets promises settle before the start, between timers and at the end. */
  async advanceAsync(ms: number): Promise<void> {
    const until = this.#nowMs + ms;
    await settle();
    for (let timer = this.#next(until); timer !== null; timer = this.#next(until)) {
      this.#timers.delete(timer);
      this.#nowMs = timer.atMs;
      timer.run();
      await settle();
    }
    this.#nowMs = until;
  }

  #next(untilMs: number): Timer | null {
    let best: Timer | null = null;
    for (const t of this.#timers) {
      if (t.atMs > untilMs) continue;
      if (best === null || t.atMs < best.atMs || (t.atMs === best.atMs && t.order < best.order)) best = t;
    }
    return best;
  }
}

/** One turn of the event loop: every promise that can settle without the outside has settled. */
function settle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
