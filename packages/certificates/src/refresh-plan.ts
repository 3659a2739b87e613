/** When a certificate is due for replacement, in the order of urgency of what waits for it. */
export type Priority = "background" | "warmup" | "realtime";

const BASE_MS = 1_000;
const CAP_MS = 150_000;
const JITTER = 0.2;

/** Half of the certificate's life. @see dataplane 9.4 */
export function refreshDueMs(certificate: { readonly notBeforeMs: number; readonly notAfterMs: number }): number {
  return certificate.notBeforeMs + (certificate.notAfterMs - certificate.notBeforeMs) / 2;
}

/**
 * How long to wait after failures: 1 s with ±20 % once, doubled by each further one, at most 150 s.
 * @param failures consecutive ones, from 1
 * @param random in [0, 1)
 */
export function backoffMs(failures: number, random: () => number): number {
  const jitter = 1 - JITTER + 2 * JITTER * random();
  return Math.min(CAP_MS, BASE_MS * jitter * 2 ** Math.min(failures - 1, 16));
}

/** When to try again after a failure: after the back-off, but never later than the certificate still held expires. */
export function retryDueMs(o: {
  readonly nowMs: number;
  readonly failures: number;
  readonly held: { readonly notAfterMs: number } | null;
  readonly random: () => number;
}): number {
  const next = o.nowMs + backoffMs(o.failures, o.random);
  return o.held !== null && o.held.notAfterMs > o.nowMs ? Math.min(next, o.held.notAfterMs) : next;
}
