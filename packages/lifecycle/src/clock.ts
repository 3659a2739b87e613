/** Time as a parameter, so that whoever waits can be tested without waiting. `FakeClock` of the testkit fits it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Runs `run` once after `delayMs` unless disposed before. */
  after(delayMs: number, run: () => void): Disposable;
}

/** The longest delay a runtime timer takes; longer ones would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The machine's clock. Its timers are cut at 24 days and keep the process alive until they fire or are disposed. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, delayMs), LONGEST_TIMER_MS));
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/**
 * Waits `delayMs`.
 * @throws the signal's reason as soon as it aborts; the timer is gone then
 */
export function sleep(
  delayMs: number,
  o: { readonly signal?: AbortSignal; readonly clock?: Clock } = {},
): Promise<void> {
  const { signal, clock = systemClock } = o;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason as Error);
    const onAbort = (): void => {
      timer[Symbol.dispose]();
      reject(signal?.reason as Error);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
