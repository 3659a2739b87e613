import * as libc from "./libc.ts";
import { watchFd } from "./readiness.ts";

/** A process held by descriptor: whatever happens to its pid, this never means another one. */
export interface HeldProcess extends Disposable {
  /** @throws MeshError, `facts.errno` ESRCH when it has ended */
  signal(number: number): void;
  /** Calls `run` once it has ended, at once if it has already. */
  onEnd(run: () => void): void;
}

/**
 * Takes hold of a running process, be it a child or not.
 * @throws MeshError, `facts.errno` ESRCH when there is none
 */
export function holdProcess(pid: number): HeldProcess {
  const fd = libc.pidfdOpen(pid);
  const watch = watchFd(fd);
  let open = true;
  return {
    signal: (number) => libc.pidfdSendSignal(fd, number),
    onEnd: (run) => watch.once("readable", run),
    [Symbol.dispose]() {
      if (!open) return;
      open = false;
      watch[Symbol.dispose]();
      libc.close(fd);
    },
  };
}
