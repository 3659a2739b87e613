import { Worker } from "node:worker_threads";
import type { FromThread, ThreadReport, ThreadStart, ToThread } from "../messages.ts";

/** What the rest of the control thread hears from the data threads. */
export interface ThreadEvents {
  readonly wantIdentity: (identity: string) => void;
  readonly log: (line: string) => void;
  /** A data thread ended by itself. Its listeners are gone, so the process cannot go on honestly. */
  readonly died: (why: string) => void;
}

type Ticket = { left: number; errors: string[]; done: (error: string | null) => void };

/** How long a thread may take for a report before it is left out. */
const REPORT_TIMEOUT_MS = 2_000;

/** The data threads as one: what is sent goes to each, what is asked is answered when all have. */
export class DataThreads implements AsyncDisposable {
  readonly #workers: readonly Worker[];
  readonly #starting = new Map<string, Ticket>();
  readonly #reports = new Map<number, { left: number; parts: ThreadReport[]; done: (parts: ThreadReport[]) => void }>();
  readonly #stops = new Map<number, { left: number; done: () => void }>();
  #nextReport = 1;
  #nextStop = 1;
  #drained: { left: number; done: () => void } | null = null;
  #stopping = false;

  constructor(count: number, start: ThreadStart, events: ThreadEvents) {
    this.#workers = Array.from({ length: count }, () => this.#spawn(start, events));
  }

  get count(): number {
    return this.#workers.length;
  }

  send(message: ToThread): void {
    for (const worker of this.#workers) worker.postMessage(message);
  }

  /** Starts a pod on every thread. @returns null, or why a thread could not; then none serves it. */
  startPod(message: Extract<ToThread, { t: "start-pod" }>): Promise<string | null> {
    const { promise, resolve } = Promise.withResolvers<string | null>();
    this.#starting.set(message.pod.uid, { left: this.count, errors: [], done: resolve });
    this.send(message);
    return promise;
  }

  /** Stops a pod on every thread, whatever it carries; resolves when all have let go of its namespace. */
  stopPod(uid: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const id = this.#nextStop++;
    this.#stops.set(id, { left: this.count, done: resolve });
    this.send({ t: "stop-pod", uid, id });
    return promise;
  }

  /** What every thread carries right now. A thread that does not answer in time is left out. */
  report(): Promise<readonly ThreadReport[]> {
    const id = this.#nextReport++;
    const { promise, resolve } = Promise.withResolvers<ThreadReport[]>();
    const timer = setTimeout(() => this.#reports.get(id)?.done(this.#reports.get(id)!.parts), REPORT_TIMEOUT_MS);
    const done = (parts: ThreadReport[]): void => {
      clearTimeout(timer);
      this.#reports.delete(id);
      resolve(parts);
    };
    this.#reports.set(id, { left: this.count, parts: [], done });
    this.send({ t: "report", id });
    return promise;
  }

  /** Closes listeners, lets connections finish until `graceMs`, then ends them; resolves when none is left. */
  drain(graceMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stopping = true;
    this.#drained = { left: this.count, done: resolve };
    this.send({ t: "drain", graceMs });
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #spawn(start: ThreadStart, events: ThreadEvents): Worker {
    // The same file name serves sources and the build: the worker is this module's neighbour in either.
    const entry = new URL(`../data/main.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url);
    const worker = new Worker(entry, { workerData: start });
    worker.on("message", (message: FromThread) => this.#receive(message, events));
    worker.on("error", (error) => events.died(error instanceof Error ? (error.stack ?? error.message) : String(error)));
    worker.on("exit", (code) => {
      if (!this.#stopping) events.died(`data thread exited with code ${code}`);
    });
    return worker;
  }

  #receive(message: FromThread, events: ThreadEvents): void {
    switch (message.t) {
      case "want-identity":
        return events.wantIdentity(message.identity);
      case "log":
        return events.log(message.line);
      case "pod-started":
        return this.#started(message.uid, message.error);
      case "pod-stopped": {
        const pending = this.#stops.get(message.id);
        if (pending && --pending.left === 0) {
          this.#stops.delete(message.id);
          pending.done();
        }
        return;
      }
      case "report": {
        const pending = this.#reports.get(message.id);
        pending?.parts.push(message.report);
        if (pending && --pending.left === 0) pending.done(pending.parts);
        return;
      }
      case "drained":
        if (this.#drained && --this.#drained.left === 0) this.#drained.done();
    }
  }

  #started(uid: string, error: string | null): void {
    const ticket = this.#starting.get(uid);
    if (!ticket) return;
    if (error !== null) ticket.errors.push(error);
    if (--ticket.left > 0) return;
    this.#starting.delete(uid);
    const [first] = ticket.errors;
    if (first === undefined) ticket.done(null);
    else void this.stopPod(uid).then(() => ticket.done(first)); // no thread serves a pod that another could not start
  }
}
