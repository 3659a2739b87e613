import { Worker } from "node:worker_threads";
import { Bell } from "@lateen/fast-datapath";
import type { DataPathDriver } from "../data-path-driver.ts";
import type { FromThread, ThreadStart, ThreadWork, ToThread } from "../messages.ts";
import { ThreadProfile } from "./thread-profile.ts";

/** What is heard of one data thread. */
export interface WorkerEvents {
  readonly message: (message: FromThread) => void;
  /** It ended without being asked to; once or twice. */
  readonly died: (why: string) => void;
}

/** How long a thread may take to come to its end before it is made to. */
const STOP_TIMEOUT_MS = 2_000;

/**
 * A data thread's garbage is small and dies young. With V8's own size it would hold tens of megabytes of it before a first look.
 */
const RESOURCES = { maxYoungGenerationSizeMb: 6 } as const;

/** One data thread, whichever driver it runs on: one with a loop of its own sleeps in the kernel, and is woken for a message. */
export class DataWorker implements AsyncDisposable {
  readonly profile: ThreadProfile;
  readonly #worker: Worker;
  readonly #bell: Bell | null;
  readonly #ended: Promise<void>;
  #stopping = false;

  /** @param driver which carries the bytes */
  constructor(driver: DataPathDriver, start: ThreadStart, events: WorkerEvents) {
    this.#bell = driver === "fast" ? new Bell() : null;
    // The same file name serves sources and the build: the worker is this module's neighbour in either.
    const entry = new URL(`../data/main.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url);
    const work: ThreadWork = { start, bell: this.#bell?.ends ?? null };
    const worker = new Worker(entry, { workerData: work, resourceLimits: RESOURCES });
    this.#worker = worker;
    this.profile = new ThreadProfile(worker, () => this.#bell?.ring());
    worker.on("message", events.message);
    worker.on("error", (error) => events.died(error instanceof Error ? (error.stack ?? error.message) : String(error)));
    this.#ended = new Promise((resolve) =>
      worker.once("exit", (code) => {
        this.#bell?.[Symbol.dispose]();
        resolve();
        if (!this.#stopping) events.died(`data thread exited with code ${code}`);
      }),
    );
  }

  send(message: ToThread): void {
    this.#worker.postMessage(message);
    this.#bell?.ring();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    if (this.#bell !== null) {
      this.#bell.stop(); // `terminate` waits for ever for a thread that sleeps in the kernel
      const late = setTimeout(() => void this.#worker.terminate(), STOP_TIMEOUT_MS);
      await this.#ended;
      clearTimeout(late);
    } else await this.#worker.terminate();
  }
}
