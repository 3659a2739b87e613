import { type Backoff } from "./backoff.ts";
import { type Clock, sleep, systemClock } from "./clock.ts";

/** How `retry` goes about it. Without `attempts` only success, `isFinal` and `signal` end it. */
export interface RetryOptions {
  readonly backoff: Backoff;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** Total tries, the first included (default: no limit). */
  readonly attempts?: number;
  /** Failures that another try cannot mend. */
  readonly isFinal?: (error: unknown) => boolean;
  /** Hears of every failure that is followed by a pause. */
  readonly onRetry?: (error: unknown, pauseMs: number) => void;
}

/**
 * Calls `operation` until it succeeds, with a pause of the back-off after each failure. A success resets the back-off.
 * @throws the last failure, when attempts ran out or it was final; the signal's reason once it aborts
 */
export async function retry<T>(operation: (signal: AbortSignal) => Promise<T>, o: RetryOptions): Promise<T> {
  const { backoff, signal, clock = systemClock, attempts = Infinity } = o;
  for (let tries = 1; ; tries++) {
    signal.throwIfAborted();
    try {
      const value = await operation(signal);
      backoff.reset();
      return value;
    } catch (e) {
      signal.throwIfAborted();
      if (tries >= attempts || o.isFinal?.(e) === true) throw e;
      const pauseMs = backoff.nextMs();
      o.onRetry?.(e, pauseMs);
      await sleep(pauseMs, { signal, clock });
    }
  }
}
