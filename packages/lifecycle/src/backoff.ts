import { Code, MeshError } from "@lateen/errors";

/** How the pauses between attempts grow. */
export interface BackoffOptions {
  /** The first pause, before jitter. */
  readonly baseMs: number;
  /** No pause is longer, jitter included. */
  readonly maxMs: number;
  /** By how much each pause exceeds the one before (default 2). */
  readonly factor?: number;
  /** The share of each pause that chance may take away, 0 to 1 (default 0.5): pauses lie in `[p × (1 − jitter), p]`. */
  readonly jitter?: number;
  /** Chance: uniform in [0, 1). */
  readonly random: () => number;
}

/** Pauses of one series of attempts. */
export interface Backoff {
  /** The next pause in milliseconds. */
  nextMs(): number;
  /** After a success: the series starts again. */
  reset(): void;
  /** How many pauses were given since the start or the last reset. */
  readonly attempts: number;
}

/**
 * Exponential pauses with jitter and a cap. Pure: it waits for nothing.
 * @throws MeshError BAD_INPUT when an option is out of range
 */
export function createBackoff(o: BackoffOptions): Backoff {
  const { baseMs, maxMs, factor = 2, jitter = 0.5, random } = o;
  if (!(baseMs > 0 && maxMs >= baseMs && factor >= 1 && jitter >= 0 && jitter <= 1)) {
    const facts = { baseMs, maxMs, factor, jitter };
    throw new MeshError(
      Code.BadInput,
      "Cannot make a back-off: need 0 < baseMs ≤ maxMs, factor ≥ 1, 0 ≤ jitter ≤ 1",
      facts,
    );
  }
  let pauseMs = baseMs;
  let attempts = 0;
  return {
    nextMs() {
      const nowMs = pauseMs * (1 - jitter * random());
      pauseMs = Math.min(maxMs, pauseMs * factor);
      attempts++;
      return nowMs;
    },
    reset() {
      pauseMs = baseMs;
      attempts = 0;
    },
    get attempts() {
      return attempts;
    },
  };
}
