import type {
  CredentialsPem,
  FromThread,
  Load,
  OwnListeners,
  PodInfo,
  PodListener,
  ThreadReport,
  ThreadStart,
  ToThread,
} from "../messages.ts";
import { closeStream } from "@lateen/linux";
import type { DataPathDriver } from "../data-path-driver.ts";
import { type AcceptWorld, AcceptingThreads } from "./accepting-threads.ts";
import { DataWorker } from "./data-worker.ts";

/**
 * A data thread ended by itself, at whatever time. What it carried may be open still, with nobody to serve it, and it answers
 * nothing any more: only the end of the process is an honest end of its connections. May be said more than once.
 */
export type ThreadDeath = (thread: number, why: string) => void;

/** What the rest of the control thread hears from the data threads. */
export interface ThreadEvents {
  readonly wantIdentity: (identity: string) => void;
  readonly log: (lines: readonly string[]) => void;
  readonly died: ThreadDeath;
  /** What a thread says in a hand-over. */
  readonly moving: (index: number, message: MovingMessage) => void;
}

export type MovingMessage = Extract<FromThread, { t: "gave" | "took" }>;

interface Start {
  readonly pod: PodInfo;
  readonly netns: number;
  readonly errors: string[];
  readonly done: (error: string | null) => void;
  left: number;
}

interface Reporting {
  /** By thread. */
  readonly parts: (ThreadReport | null)[];
  readonly done: (parts: readonly (ThreadReport | null)[]) => void;
  left: number;
}

interface Rehearsal {
  readonly problems: string[];
  readonly over: Promise<readonly string[]>;
  readonly done: (problems: readonly string[]) => void;
  left: number;
}

/** A data thread as an operator sees it. */
export interface ThreadView {
  readonly accepts: boolean;
  /** Null where no other could help, and it is not measured. */
  readonly load: Load | null;
  /** Null when it did not answer in time. */
  readonly connections: number | null;
}

/** The thread that has the listeners, where they can be shared. */
const FIRST = 0;

/** How long a thread may take for a report before it is left out. */
const REPORT_TIMEOUT_MS = 2_000;

export interface ThreadPlan {
  readonly count: number;
  /** Which carries the bytes. */
  readonly driver: DataPathDriver;
}

/** The data threads as one: what is sent goes to each, what is asked is answered when all have. */
export class DataThreads implements AsyncDisposable {
  readonly #workers: readonly DataWorker[];
  readonly #starts = new Map<number, Start>();
  readonly #reports = new Map<number, Reporting>();
  readonly #lists = new Map<number, (pods: readonly OwnListeners[]) => void>();
  /** Null where every thread has listeners of its own: the kernel spreads connections then. */
  readonly #accepting: AcceptingThreads | null;
  readonly #stops = new Map<number, { left: number; done: () => void }>();
  #nextId = 1;
  #rehearsal: Rehearsal | null = null;
  #drained: { left: number; done: () => void } | null = null;

  constructor(how: ThreadPlan, settings: Omit<ThreadStart, "tellsLoad">, events: ThreadEvents) {
    const shares = how.driver === "fast" && how.count > 1;
    const start = { ...settings, tellsLoad: shares };
    this.#workers = Array.from(
      { length: how.count },
      (_, index) =>
        new DataWorker(how.driver, start, {
          message: (message) => this.#receive(index, message, events),
          died: (why) => events.died(index, why),
        }),
    );
    this.#accepting = shares ? new AcceptingThreads(this.#acceptWorld()) : null;
  }

  #acceptWorld(): AcceptWorld {
    return {
      count: this.count,
      sendTo: (index, message) => this.sendTo(index, message),
      listeners: () => this.#ownListeners(),
      closeFd: closeStream,
    };
  }

  get count(): number {
    return this.#workers.length;
  }

  send(message: ToThread): void {
    for (const worker of this.#workers) worker.send(message);
  }

  sendTo(index: number, message: ToThread): void {
    this.#workers[index]?.send(message);
  }

  /** Every pod's listeners, if they can be passed on. Their descriptors are duplicates, the caller's to close. */
  async listeners(): Promise<ReadonlyMap<string, readonly PodListener[]>> {
    return new Map((await this.#ownListeners()).map(({ uid, listeners }) => [uid, listeners]));
  }

  #ownListeners(): Promise<readonly OwnListeners[]> {
    const { promise, resolve } = Promise.withResolvers<readonly OwnListeners[]>();
    const id = this.#nextId++;
    this.#lists.set(id, resolve);
    this.sendTo(FIRST, { t: "list-listeners", id });
    return promise;
  }

  /** Every thread rehearses moving connections, once. @returns what went wrong with it */
  rehearse(credentials: CredentialsPem): Promise<readonly string[]> {
    if (this.#rehearsal !== null) return this.#rehearsal.over;
    const { promise: over, resolve: done } = Promise.withResolvers<readonly string[]>();
    this.#rehearsal = { problems: [], over, done, left: this.count };
    this.send({ t: "rehearse", credentials });
    return over;
  }

  /**
   * Starts a pod on every thread. Where listeners can be shared the first has them all; else each has its own.
   * @param lent a predecessor's listeners of it, whose descriptors the first thread owns from here on
   * @returns null, or why a thread could not; then none serves it
   */
  startPod(pod: PodInfo, netns: number, lent: readonly PodListener[] = []): Promise<string | null> {
    const { promise, resolve } = Promise.withResolvers<string | null>();
    const id = this.#nextId++;
    this.#starts.set(id, { pod, netns, left: this.count, errors: [], done: resolve });
    const others = this.#accepting === null ? [] : null;
    for (const i of this.#workers.keys())
      this.sendTo(i, { t: "start-pod", pod, netns, id, listeners: i === FIRST ? lent : others });
    return promise;
  }

  /**
   * Stops a pod in that namespace on every thread, whatever it carries; resolves when all have let go of the namespace. A pod
   * of the same name that was started in another one meanwhile lives on.
   */
  stopPod(uid: string, netns: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const id = this.#nextId++;
    this.#stops.set(id, { left: this.count, done: resolve });
    this.send({ t: "stop-pod", uid, netns, id });
    return promise;
  }

  /** What every thread carries right now. A thread that does not answer in time is left out. */
  async report(): Promise<readonly ThreadReport[]> {
    return (await this.#askAll()).filter((report) => report !== null);
  }

  /** The same, and how the threads share their work, in their order. */
  async overview(): Promise<{ readonly reports: readonly ThreadReport[]; readonly threads: readonly ThreadView[] }> {
    const parts = await this.#askAll();
    const { accepting, loads } = this.#accepting?.state ?? { accepting: this.count, loads: [] };
    const threads = parts.map((report, i) => ({
      accepts: i < accepting,
      load: loads[i] ?? null,
      connections: report?.connections.length ?? null,
    }));
    return { reports: parts.filter((report) => report !== null), threads };
  }

  #askAll(): Promise<readonly (ThreadReport | null)[]> {
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<readonly (ThreadReport | null)[]>();
    const timer = setTimeout(() => this.#reports.get(id)?.done(this.#reports.get(id)!.parts), REPORT_TIMEOUT_MS);
    const done = (parts: readonly (ThreadReport | null)[]): void => {
      clearTimeout(timer);
      this.#reports.delete(id);
      resolve(parts);
    };
    this.#reports.set(id, { left: this.count, parts: this.#workers.map(() => null), done });
    this.send({ t: "report", id });
    return promise;
  }

  /** Begins to note what each thread spends its time on. @throws as `ThreadProfile.start` */
  async startProfiles(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.profile.start()));
  }

  /** @returns one profile per thread, in V8's JSON. @throws as `ThreadProfile.stop` */
  stopProfiles(): Promise<readonly string[]> {
    return Promise.all(this.#workers.map((worker) => worker.profile.stop()));
  }

  /** Closes listeners, lets connections finish until `graceMs`, then ends them; resolves when none is left. */
  drain(graceMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#accepting?.[Symbol.dispose]();
    this.#drained = { left: this.count, done: resolve };
    this.send({ t: "drain", graceMs });
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#accepting?.[Symbol.dispose]();
    await Promise.all(this.#workers.map((worker) => worker[Symbol.asyncDispose]()));
  }

  #listed({ id, pods }: Extract<FromThread, { t: "listeners" }>): void {
    this.#lists.get(id)?.(pods);
    this.#lists.delete(id);
  }

  #rehearsed(problem: string | null): void {
    const rehearsal = this.#rehearsal;
    if (rehearsal === null) return;
    if (problem !== null) rehearsal.problems.push(problem);
    if (--rehearsal.left === 0) rehearsal.done(rehearsal.problems);
  }

  #receive(index: number, message: FromThread, events: ThreadEvents): void {
    switch (message.t) {
      case "gave":
      case "took":
        return events.moving(index, message);
      case "rehearsed":
        return this.#rehearsed(message.problem);
      case "listeners":
        return this.#listed(message);
      case "want-identity":
        return events.wantIdentity(message.identity);
      case "log":
        return events.log(message.lines);
      case "pod-started":
        return this.#started(message.id, message.error);
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
        if (pending === undefined) return;
        pending.parts[index] = message.report;
        if (--pending.left === 0) pending.done(pending.parts);
        return;
      }
      case "load":
        return this.#accepting?.heard(index, message.load);
      case "drained":
        if (this.#drained && --this.#drained.left === 0) this.#drained.done();
    }
  }

  #started(id: number, error: string | null): void {
    const start = this.#starts.get(id);
    if (!start) return;
    if (error !== null) start.errors.push(error);
    if (--start.left > 0) return;
    this.#starts.delete(id);
    const [first] = start.errors;
    if (first === undefined) {
      start.done(null);
      this.#accepting?.listenersChanged();
    }
    // No thread serves a pod that another could not start.
    else void this.stopPod(start.pod.uid, start.netns).then(() => start.done(first));
  }
}
