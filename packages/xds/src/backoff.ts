/** How a stream ended. */
export type StreamEnd =
  | { readonly t: "complete" }
  | { readonly t: "connection-error" }
  /** A gRPC status other than OK. */
  | { readonly t: "status"; readonly code: number; readonly message: string };

const FIRST_MS = 10;
const CAP_MS = 15_000;
const CANCELLED = 1;
const UNKNOWN = 2;
const DEADLINE_EXCEEDED = 4;
const UNAVAILABLE = 14;

/** Whether the server ended a stream that it will gladly take again: restart, connection age, load balancing. */
function isExpected(end: StreamEnd): boolean {
  if (end.t !== "status") return false;
  if (end.code === CANCELLED || end.code === UNKNOWN || end.code === DEADLINE_EXCEEDED) return true;
  return (
    end.code === UNAVAILABLE &&
    (end.message.includes("transport is closing") || end.message.includes("received prior goaway"))
  );
}

/** The pause before the next stream: doubling to a cap, shortened at random by up to half. @see dataplane 8.4 */
export class Backoff {
  #ms = FIRST_MS;

  /** @param random uniform in [0, 1) */
  after(end: StreamEnd, random: number): number {
    if (end.t === "complete") {
      this.#ms = FIRST_MS;
      return 0;
    }
    this.#ms = isExpected(end) ? FIRST_MS : Math.min(this.#ms * 2, CAP_MS);
    return this.#ms * (1 - random / 2);
  }
}
