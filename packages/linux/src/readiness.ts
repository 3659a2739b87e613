import { isMainThread } from "node:worker_threads";
import { Code, MeshError } from "@lateen/errors";
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT } from "./constants.ts";
import * as epoll from "./epoll.ts";
import { PoolWaiter } from "./pool-waiter.ts";
import { ThreadWaiter } from "./thread-waiter.ts";
import type { Waiter } from "./waiter.ts";

/** What a descriptor can be awaited for. An error or the peer's end counts as both. */
export type Awaited = "readable" | "writable";

/** One descriptor under watch. */
export interface Watch extends Disposable {
  /**
   * Calls `run` once, as soon as the descriptor is ready; a wait that is still open for the same kind is replaced.
   */
  once(what: Awaited, run: () => void): void;
}

const EVENTS = { readable: EPOLLIN, writable: EPOLLOUT } as const;
const WRONG = EPOLLERR | EPOLLHUP;

class WatchedFd implements Watch {
  readonly #owner: Readiness;
  readonly #token: number;
  readonly #fd: number;
  readonly #waits = new Map<Awaited, () => void>();
  #known = false;
  #open = true;

  constructor(owner: Readiness, token: number, fd: number) {
    this.#owner = owner;
    this.#token = token;
    this.#fd = fd;
  }

  once(what: Awaited, run: () => void): void {
    if (!this.#open) throw new MeshError(Code.Bug, "Cannot wait on a descriptor: its watch is disposed of");
    this.#waits.set(what, run);
    this.#arm();
  }

  #arm(): void {
    let events = EPOLLONESHOT;
    for (const what of this.#waits.keys()) events |= EVENTS[what];
    const interest = { events, token: this.#token };
    epoll.control(this.#owner.epollFd, this.#known ? "change" : "add", this.#fd, interest);
    if (!this.#known) this.#owner.known(1);
    this.#known = true;
  }

  /** Called by the owner with what the kernel reported. */
  ready(events: number): void {
    for (const what of ["readable", "writable"] as const) {
      const run = this.#waits.get(what);
      if (run === undefined || (events & (EVENTS[what] | WRONG)) === 0) continue;
      this.#waits.delete(what);
      run();
    }
    if (this.#open && this.#waits.size > 0) this.#arm();
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#waits.clear();
    this.#owner.forget(this.#token);
    if (!this.#known) return;
    this.#owner.known(-1);
    epoll.control(this.#owner.epollFd, "remove", this.#fd, { events: 0, token: 0 });
  }
}

/** Waits for descriptors that Node cannot wait for (SEQPACKET, AF_PACKET and the like), one waiter for all of a thread. */
class Readiness {
  readonly epollFd = epoll.create();
  readonly #watches = new Map<number, WatchedFd>();
  readonly #waiter: Waiter;
  #next = 1;
  #known = 0;

  constructor() {
    const deliver = (ready: readonly number[]): void => {
      for (let i = 0; i + 1 < ready.length; i += 2) this.#watches.get(ready[i]!)?.ready(ready[i + 1]!);
    };
    this.#waiter = isMainThread ? new PoolWaiter(this.epollFd, deliver) : new ThreadWaiter(this.epollFd, deliver);
  }

  watch(fd: number): Watch {
    const token = this.#next++;
    const watch = new WatchedFd(this, token, fd);
    this.#watches.set(token, watch);
    return watch;
  }

  forget(token: number): void {
    this.#watches.delete(token);
  }

  /** The process stays up while descriptors are under watch, as with Node's own sockets. */
  known(change: number): void {
    this.#known += change;
    if (this.#known > 0) this.#waiter.hold();
    else this.#waiter.release();
  }
}

let ofThread: Readiness | null = null;

/**
 * Puts a descriptor under watch. Dispose of the watch before closing the descriptor. While a watch has waited at least once and is
 * not disposed of, it keeps the process up.
 */
export function watchFd(fd: number): Watch {
  return (ofThread ??= new Readiness()).watch(fd);
}

/** Waits once. @returns a promise that rejects with the signal's reason when it aborts first */
export function whenReady(watch: Watch, what: Awaited, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    watch.once(what, () => {
      signal.removeEventListener("abort", stop);
      resolve();
    });
  });
}
