import process from "node:process";
import { Worker } from "node:worker_threads";
import { Code, MeshError } from "@lateen/errors";
import { EPOLLIN } from "./constants.ts";
import * as epoll from "./epoll.ts";
import type { Waiter } from "./waiter.ts";

/** How far the waiting thread has come. */
export const Stage = { created: 0, loading: 1, waiting: 2, stopped: 3 } as const;

export interface ThreadData {
  readonly epollFd: number;
  readonly stopFd: number;
  readonly stage: Int32Array<SharedArrayBuffer>;
}

const LOAD_DEADLINE_MS = 5_000;

/** Options of the main thread that decide where imports lead; others (`--eval`, `--inspect`) would stop or trouble the new thread. */
function conditionsOnly(args: readonly string[]): string[] {
  return args.flatMap((arg, i) => {
    if (arg.startsWith("--conditions=")) return [arg];
    return (arg === "--conditions" || arg === "-C") && args[i + 1] !== undefined ? [`--conditions=${args[i + 1]}`] : [];
  });
}

/**
 * Waits in a thread of its own, which starts with the first watch, uses no time while nothing happens, and ends with the last or
 * with the process. For threads other than the main one, which must not take places in the pool of all.
 */
export class ThreadWaiter implements Waiter {
  readonly #stopFd = epoll.eventfd();
  readonly #stage = new Int32Array(new SharedArrayBuffer(4));
  readonly #thread: Worker;

  constructor(epollFd: number, deliver: (ready: readonly number[]) => void) {
    epoll.control(epollFd, "add", this.#stopFd, { events: EPOLLIN, token: 0, extra: this.#stopFd });
    const file = import.meta.url.endsWith(".ts") ? "./readiness-thread.ts" : "./readiness-thread.js";
    this.#thread = new Worker(new URL(file, import.meta.url), {
      workerData: { epollFd, stopFd: this.#stopFd, stage: this.#stage } satisfies ThreadData,
      name: "lateen-readiness",
      execArgv: conditionsOnly(process.execArgv),
      // The thread holds a handful of numbers; V8 would reserve far more.
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 },
    });
    this.#thread.on("message", deliver);
    // Without a listener a failure of that thread would be thrown here with no hint of what stops working.
    this.#thread.on("error", (e) => {
      throw new MeshError(Code.Bug, "Cannot wait for descriptors any more: the waiting thread failed", {}, e);
    });
    // After the listeners: one for messages would keep the process up again.
    this.#thread.unref();
    process.on("exit", this.#stop);
  }

  hold(): void {
    this.#thread.ref();
  }

  release(): void {
    this.#thread.unref();
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
}
