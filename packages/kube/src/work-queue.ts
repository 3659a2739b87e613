import { type Clock, createBackoff } from "@lateen/lifecycle";
import type { Logger } from "@lateen/telemetry";
import { monotonicClock } from "./monotonic-clock.ts";

/** What became of one key: done, or to be tried again after a pause. */
export type WorkOutcome =
  { readonly t: "done" } | { readonly t: "again"; readonly why: string; readonly afterMs?: number };

export interface WorkQueueOptions {
  readonly name: string;
  /**
   * Makes the world what it should be for one key; looks up for itself what that is. May throw, which counts as `again`. Runs for
   * several keys at a time, never for one key twice at a time.
   */
  readonly work: (key: string, signal: AbortSignal) => Promise<WorkOutcome>;
  /** Keys worked on at a time (default 8). */
  readonly concurrency?: number;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number };
}

/** Keys to be worked on, each once however often it is added. Work happens only while somebody `run`s it. */
export interface WorkQueue {
  add(key: string): void;
  /** Works until `signal` aborts. Keys that are left stay for the next run. */
  run(signal: AbortSignal): Promise<void>;
  /** Keys that wait or are worked on. */
  readonly size: number;
  /** Resolves when no key is left. @throws the signal's reason */
  idle(o?: { readonly signal?: AbortSignal }): Promise<void>;
}

const DONE: WorkOutcome = { t: "done" };
export const workDone = (): WorkOutcome => DONE;

/** A level-triggered queue: what counts is the state when a key is worked on, not what happened since. */
export function createWorkQueue(o: WorkQueueOptions): WorkQueue {
  return new Queue(o);
}

class Queue implements WorkQueue {
  readonly #o: WorkQueueOptions;
  readonly #clock: Clock;
  /** To be worked on, oldest first. */
  readonly #waiting = new Set<string>();
  readonly #working = new Set<string>();
  /** Added while they were worked on. */
  readonly #again = new Set<string>();
  /** Failed; each comes back in its time. */
  readonly #delayed = new Map<string, Disposable>();
  readonly #tries = new Map<string, ReturnType<typeof createBackoff>>();
  readonly #sleeping = new Set<() => void>();
  #idle: (() => void)[] = [];

  constructor(o: WorkQueueOptions) {
    this.#o = o;
    this.#clock = o.clock ?? monotonicClock;
  }

  get size(): number {
    return this.#waiting.size + this.#working.size + this.#delayed.size;
  }

  add(key: string): void {
    this.#delayed.get(key)?.[Symbol.dispose]();
    this.#delayed.delete(key);
    if (this.#working.has(key)) this.#again.add(key);
    else this.#waiting.add(key);
    this.#wake();
  }

  /** One key, one worker. */
  #wake(): void {
    const [first] = this.#sleeping;
    first?.();
  }

  idle(o: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(o.signal?.reason as Error);
      o.signal?.addEventListener("abort", stop, { once: true });
      this.#idle.push(() => {
        o.signal?.removeEventListener("abort", stop);
        resolve();
      });
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const workers = Array.from({ length: this.#o.concurrency ?? 8 }, () => this.#worker(signal));
    await Promise.all(workers);
  }

  async #worker(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const [key] = this.#waiting;
      if (key === undefined) await this.#added(signal);
      else await this.#work(key, signal);
    }
  }

  #added(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        this.#sleeping.delete(go);
        signal.removeEventListener("abort", go);
        resolve();
      };
      this.#sleeping.add(go);
      signal.addEventListener("abort", go, { once: true });
    });
  }

  async #work(key: string, signal: AbortSignal): Promise<void> {
    this.#waiting.delete(key);
    this.#working.add(key);
    const outcome = await this.#o.work(key, signal).catch((error: unknown): WorkOutcome => ({
      t: "again",
      why: error instanceof Error ? error.message : String(error),
    }));
    this.#working.delete(key);
    // What was cut off, or is out of date by now, is done anew.
    if (this.#again.delete(key) || (signal.aborted && outcome.t === "again")) this.#waiting.add(key);
    else if (outcome.t === "again") this.#delay(key, outcome);
    else this.#tries.delete(key);
    if (this.size === 0) for (const told of this.#idle.splice(0)) told();
  }

  #delay(key: string, { why, afterMs = 0 }: Extract<WorkOutcome, { t: "again" }>): void {
    const { backoff = { baseMs: 200, maxMs: 30_000 }, random = Math.random, log, name } = this.#o;
    const tries = this.#tries.get(key) ?? createBackoff({ ...backoff, random });
    this.#tries.set(key, tries);
    const pauseMs = Math.max(afterMs, tries.nextMs());
    // Said at the first failure and then ever more rarely.
    if ((tries.attempts & (tries.attempts - 1)) === 0)
      log.warn(`cannot ${name}, trying again`, { object: key, why, tries: tries.attempts });
    this.#delayed.set(
      key,
      this.#clock.after(pauseMs, () => {
        this.#delayed.delete(key);
        this.#waiting.add(key);
        this.#wake();
      }),
    );
  }
}
