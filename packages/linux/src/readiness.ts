import process from "node:process";
import { Worker } from "node:worker_threads";
import { Code, MeshError } from "@lateen/errors";
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT } from "./constants.ts";
import * as epoll from "./epoll.ts";

/** What a descriptor can be awaited for. An error or the peer's end counts as both. */
export type Awaited = "readable" | "writable";

/** One descriptor under watch. */
export interface Watch extends Disposable {
  /**
   * Calls `run` once, as soon as the descriptor is ready; a wait that is still open for the same kind is replaced.
   */
  once(what: Awaited, run: () => void): void;
}

/** How far the waiting thread has come. */
export const Stage = { created: 0, loading: 1, waiting: 2, stopped: 3 } as const;

export interface ThreadData {
  readonly epollFd: number;
  readonly stopFd: number;
  readonly stage: Int32Array<SharedArrayBuffer>;
}

const LOAD_DEADLINE_MS = 5_000;
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

/** Options of the main thread that decide where imports lead; others (`--eval`, `--inspect`) would stop or trouble the new thread. */
function conditionsOnly(args: readonly string[]): string[] {
  return args.flatMap((arg, i) => {
    if (arg.startsWith("--conditions=")) return [arg];
    return (arg === "--conditions" || arg === "-C") && args[i + 1] !== undefined ? [`--conditions=${args[i + 1]}`] : [];
  });
}

/**
 * Waits for descriptors that Node cannot wait for (SEQPACKET, AF_PACKET and the like). One thread sleeps in `epoll_wait` for all
 * of them; it starts with the first watch, uses no time while nothing happens, and ends with the last or with the process.
 */
class Readiness {
  readonly epollFd = epoll.create();
  readonly #stopFd = epoll.eventfd();
  readonly #stage = new Int32Array(new SharedArrayBuffer(4));
  readonly #watches = new Map<number, WatchedFd>();
  readonly #thread: Worker;
  #next = 1;
  #known = 0;

  constructor() {
    epoll.control(this.epollFd, "add", this.#stopFd, { events: EPOLLIN, token: 0, extra: this.#stopFd });
    const file = import.meta.url.endsWith(".ts") ? "./readiness-thread.ts" : "./readiness-thread.js";
    this.#thread = new Worker(new URL(file, import.meta.url), {
      workerData: { epollFd: this.epollFd, stopFd: this.#stopFd, stage: this.#stage } satisfies ThreadData,
      name: "lateen-readiness",
      execArgv: conditionsOnly(process.execArgv),
      // The thread holds a handful of numbers; V8 would reserve far more.
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 },
    });
    this.#thread.on("message", (ready: readonly number[]) => this.#deliver(ready));
    // Without a listener a failure of that thread would be thrown here with no hint of what stops working.
    this.#thread.on("error", (e) => {
      throw new MeshError(Code.Bug, "Cannot wait for descriptors any more: the waiting thread failed", {}, e);
    });
    // After the listeners: one for messages would keep the process up again.
    this.#thread.unref();
    process.on("exit", this.#stop);
  }

  /**
   * A process cannot exit while one of its threads is blocked in a call, and it aborts when it exits while one is loading the
   * binary of koffi: so the thread is kept from loading, or waited for while it does, and woken.
   */
  readonly #stop = (): void => {
    const stage = Atomics.compareExchange(this.#stage, 0, Stage.created, Stage.stopped);
    if (stage === Stage.loading) Atomics.wait(this.#stage, 0, Stage.loading, LOAD_DEADLINE_MS);
    epoll.signal(this.#stopFd);
  };

  #deliver(ready: readonly number[]): void {
    for (let i = 0; i + 1 < ready.length; i += 2) this.#watches.get(ready[i]!)?.ready(ready[i + 1]!);
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
    if (this.#known > 0) this.#thread.ref();
    else this.#thread.unref();
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
