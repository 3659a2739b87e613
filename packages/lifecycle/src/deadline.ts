import { Code, MeshError } from "@lateen/errors";
import { type Clock, systemClock } from "./clock.ts";

/**
 * Runs `operation` with a signal that aborts at the deadline or with `o.signal`, whichever comes first. The call ends then
 * even if the operation ignores its signal; what such an operation still does goes unheard.
 * @param o.what what is being done, in the form "connect to the control plane"
 * @throws MeshError TIMEOUT at the deadline; the reason of `o.signal`; whatever the operation throws before
 */
export async function withDeadline<T>(
  o: { readonly deadlineMs: number; readonly what: string; readonly signal?: AbortSignal; readonly clock?: Clock },
  operation: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock = systemClock } = o;
  o.signal?.throwIfAborted();
  const controller = new AbortController();
  const follow = (): void => controller.abort(o.signal?.reason);
  o.signal?.addEventListener("abort", follow, { once: true });
  const ended = new Promise<never>((_resolve, reject) => {
    controller.signal.addEventListener("abort", () => reject(controller.signal.reason as Error), { once: true });
  });
  const timer = clock.after(o.deadlineMs, () =>
    controller.abort(new MeshError(Code.Timeout, `Cannot ${o.what}: no answer within ${o.deadlineMs} ms`)),
  );
  try {
    return await Promise.race([operation(controller.signal), ended]);
  } finally {
    timer[Symbol.dispose]();
    o.signal?.removeEventListener("abort", follow);
  }
}
