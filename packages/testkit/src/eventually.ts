/** How long `eventually` waits. */
export interface Eventually {
  /** Give up after this long. */
  readonly deadlineMs?: number;
  /** What is awaited, for the failure message. */
  readonly what?: string;
}

const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;

/**
 * Waits until `condition` gives something truthy, and returns it. For states that nobody announces (a kernel table, a file, a
 * process that ends); where there is an event, await the event. A condition that throws counts as "not yet".
 * @throws Error at the deadline (default 5 s); its cause is the last thing that `condition` threw
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  options: Eventually = {},
): Promise<NonNullable<T>> {
  const { deadlineMs = 5_000, what = "the condition" } = options;
  const endMs = performance.now() + deadlineMs;
  let cause: unknown;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      const value = await condition();
      if (value) return value;
      cause = undefined;
    } catch (e) {
      cause = e;
    }
    if (performance.now() >= endMs) {
      const why = cause === undefined ? "" : `: ${cause instanceof Error ? cause.message : String(cause)}`;
      throw new Error(`Waited ${deadlineMs} ms for ${what} in vain${why}`, { cause });
    }
    await new Promise((resolve) => void setTimeout(resolve, pauseMs));
  }
}
