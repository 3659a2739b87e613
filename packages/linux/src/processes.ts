import fs from "node:fs";
import process from "node:process";
import { MeshError } from "@lateen/errors";
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

/**
 * Lets the kernel forget orphans that this process adopted and that have ended: Node waits only for what it spawned itself. For
 * the first process of a PID namespace, and for those that called `adoptOrphans`.
 * @param own pids that Node waits for; never taken from it
 * @returns how many there were
 */
export function reapOrphans(own: ReadonlySet<number>): number {
  const dead = fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && !own.has(Number(name)) && isOurZombie(name));
  return dead.filter((name) => reap(Number(name))).length;
}

function isOurZombie(name: string): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${name}/stat`, "utf8");
    // `pid (name) state ppid ...`: the name may hold anything, its last parenthesis ends it.
    const [state, ppid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" && Number(ppid) === process.pid;
  } catch {
    return false; // it is gone
  }
}

function reap(pid: number): boolean {
  try {
    return libc.waitpid(pid);
  } catch (e) {
    if (MeshError.is(e)) return false; // somebody else was faster
    throw e;
  }
}
