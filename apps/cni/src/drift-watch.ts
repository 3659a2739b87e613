import { type Clock, sleep, systemClock } from "@lateen/lifecycle";

/** Every pod is looked at about this often. */
const ROUND_MS = 5_000;

/** A pod whose rules may have been changed by somebody. */
export interface WatchedPod {
  readonly uid: string;
  /** Compares, and repairs. @returns what differed */
  checkDrift(): readonly string[];
}

export interface DriftWatchParts {
  /** Those of now; the map of which it is must be the same for good. */
  readonly pods: ReadonlyMap<string, WatchedPod>;
  /** In [0, 1). */
  readonly random: () => number;
  readonly found: (pod: WatchedPod, drift: readonly string[]) => void;
  readonly clock?: Clock;
}

/**
 * Looks at all pods again and again until the signal aborts. One at a time with pauses of one length in between, not all at once: a
 * look holds up the loop, and a pod that is being captured meanwhile would wait for hundreds of them.
 */
export async function watchDrift(
  { pods, random, found, clock = systemClock }: DriftWatchParts,
  signal: AbortSignal,
): Promise<void> {
  const pause = (): Promise<void> => {
    const ms = (ROUND_MS / Math.max(1, pods.size)) * (0.8 + 0.4 * random());
    return sleep(ms, { signal, clock }).catch(() => undefined); // the loop sees that it is over
  };
  // A pod that comes during a round is looked at in it: that is how maps are walked.
  for (let round = pods.values(); ;) {
    await pause();
    if (signal.aborted) return;
    let next = round.next();
    if (next.done === true) next = (round = pods.values()).next();
    if (next.done === true) continue;
    const drift = next.value.checkDrift();
    if (drift.length > 0) found(next.value, drift);
  }
}
