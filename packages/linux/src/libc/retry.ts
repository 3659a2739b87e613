import { native } from "../native.ts";
import { EAGAIN, EINTR, systemError } from "../system-error.ts";

/** Runs a call again while a signal interrupts it. */
export function retry(name: string, run: () => number): number {
  for (;;) {
    const r = run();
    if (r >= 0) return r;
    const errno = native().errno();
    if (errno !== EINTR) throw systemError(name, errno);
  }
}

/** As `retry`, but `null` when the call would block. */
export function retryOrBlock(name: string, run: () => number, also = EAGAIN): number | null {
  for (;;) {
    const r = run();
    if (r >= 0) return r;
    const errno = native().errno();
    if (errno === EAGAIN || errno === also) return null;
    if (errno !== EINTR) throw systemError(name, errno);
  }
}
