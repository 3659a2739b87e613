import type { ChildProcess } from "node:child_process";
import { type Backoff, type Clock, createBackoff, systemClock } from "@lateen/lifecycle";
import { startInBackground } from "./background-priority.ts";
import type { BoundedLog } from "./bounded-log.ts";

export type ProcessState = "waiting" | "running" | "backing-off" | "ended";

/** What is known about a process that is kept running. */
export interface ProcessStatus {
  readonly name: string;
  readonly state: ProcessState;
  readonly pid: number | null;
  readonly restarts: number;
  /** How it ended last, null when it never did. */
  readonly lastEnd: string | null;
}

/** A process that is started again whenever it ends, with growing pauses. */
export interface SupervisedProcess extends AsyncDisposable {
  readonly status: ProcessStatus;
  readonly log: BoundedLog;
  /**
   * Starts a second process of the same kind beside the running one, which is to hand over to it and end by itself.
   * @returns null once the first has ended and the second takes its place; else why the first goes on alone
   */
  replace(deadlineMs: number): Promise<string | null>;
}

export interface SuperviseOptions {
  readonly name: string;
  /** Starts it, with its output in pipes. */
  readonly start: () => ChildProcess;
  readonly log: BoundedLog;
  /** Whether to start again after this end. Always when left out. */
  readonly again?: (exit: ProcessExit) => boolean;
  /** Hears every start and end. */
  readonly onChange: () => void;
  readonly graceMs: number;
  readonly backoff?: Backoff;
  readonly clock?: Clock;
}

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it could not even be started. */
  readonly error: string | null;
}

interface Successor {
  readonly child: ChildProcess | null;
  readonly exit: Promise<ProcessExit>;
  readonly startedMs: number;
  readonly done: (problem: string | null) => void;
}

/** A process that ran for this long was well: its next failure starts the pauses anew. */
const WELL_MS = 10_000;

/** Runs a process until disposed: then SIGTERM, and SIGKILL to its group after `graceMs`. */
export function superviseProcess(o: SuperviseOptions): SupervisedProcess {
  return new Supervised(o);
}

class Supervised implements SupervisedProcess {
  readonly #o: SuperviseOptions;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  #state: ProcessState = "waiting";
  #child: ChildProcess | null = null;
  #ended: Promise<void> = Promise.resolve();
  #timer: Disposable | null = null;
  #restarts = -1;
  #lastEnd: string | null = null;
  #closing = false;
  /** Started to take the child's place. */
  #successor: Successor | null = null;

  constructor(o: SuperviseOptions) {
    this.#o = o;
    this.#clock = o.clock ?? systemClock;
    this.#backoff = o.backoff ?? createBackoff({ baseMs: 100, maxMs: 10_000, random: Math.random });
    this.#start();
  }

  get log(): BoundedLog {
    return this.#o.log;
  }

  get status(): ProcessStatus {
    return {
      name: this.#o.name,
      state: this.#state,
      pid: this.#child?.pid ?? null,
      restarts: Math.max(0, this.#restarts),
      lastEnd: this.#lastEnd,
    };
  }

  #start(): void {
    this.#timer = null;
    this.#restarts += 1;
    const startedMs = this.#clock.nowMs();
    const exit = Promise.withResolvers<ProcessExit>();
    this.#child = this.#spawn(exit.resolve);
    if (this.#child !== null) this.#state = "running";
    this.#ended = exit.promise.then((end) => this.#onEnd(end, startedMs));
    this.#o.onChange();
  }

  #spawn(onExit: (exit: ProcessExit) => void): ChildProcess | null {
    try {
      const child = this.#o.start();
      for (const stream of [child.stdout, child.stderr])
        stream?.on("data", (chunk: Uint8Array) => this.#o.log.write(chunk));
      child.on("error", (e) => onExit({ code: null, signal: null, error: e.message }));
      child.on("exit", (code, signal) => onExit({ code, signal, error: null }));
      return child;
    } catch (e) {
      onExit({ code: null, signal: null, error: e instanceof Error ? e.message : String(e) });
      return null;
    }
  }

  replace(deadlineMs: number): Promise<string | null> {
    const { name, log } = this.#o;
    if (this.#child === null || this.#closing) return Promise.resolve(`${name} does not run`);
    if (this.#successor !== null) return Promise.resolve(`${name} is being replaced already`);
    const { promise, resolve } = Promise.withResolvers<string | null>();
    const exit = Promise.withResolvers<ProcessExit>();
    log.write(`-- ${name}: a successor starts\n`);
    const child = this.#spawn(exit.resolve);
    if (child?.pid !== undefined) startInBackground(child.pid);
    const late = this.#clock.after(deadlineMs, () => child?.kill("SIGKILL"));
    const successor: Successor = { child, exit: exit.promise, startedMs: this.#clock.nowMs(), done: resolve };
    this.#successor = successor;
    void exit.promise.then((end) => {
      if (this.#successor !== successor) return; // it has taken over
      this.#successor = null;
      log.write(`-- ${name}: its successor ${describeExit(end)}\n`);
      resolve(`its successor ${describeExit(end)}`);
    });
    return promise.finally(() => late[Symbol.dispose]());
  }

  /** The child has ended, and its successor takes its place. */
  #promote({ child, exit, startedMs, done }: Successor): void {
    this.#successor = null;
    this.#child = child;
    this.#ended = exit.then((end) => this.#onEnd(end, startedMs));
    this.#o.log.write(`-- ${this.#o.name}: its successor has taken over\n`);
    done(null);
  }

  #onEnd(end: ProcessExit, startedMs: number): void {
    this.#child = null;
    if (this.#successor !== null && !this.#closing) {
      this.#promote(this.#successor);
      this.#o.onChange();
      return;
    }
    this.#lastEnd = describeExit(end);
    if (!this.#closing) this.#o.log.write(`-- ${this.#o.name} ${this.#lastEnd}\n`);
    if (this.#closing || this.#o.again?.(end) === false) this.#state = "ended";
    else {
      if (this.#clock.nowMs() - startedMs >= WELL_MS) this.#backoff.reset();
      this.#state = "backing-off";
      this.#timer = this.#clock.after(this.#backoff.nextMs(), () => this.#start());
    }
    this.#o.onChange();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    this.#timer?.[Symbol.dispose]();
    this.#successor?.child?.kill("SIGKILL"); // it has nothing yet that would be lost
    const child = this.#child;
    if (child !== null) {
      child.kill("SIGTERM");
      using _force = this.#clock.after(this.#o.graceMs, () => child.kill("SIGKILL"));
      await this.#ended;
    }
    this.#state = "ended";
  }
}

export function describeExit(end: ProcessExit): string {
  if (end.error !== null) return `could not be started: ${end.error}`;
  if (end.signal !== null) return `was ended by ${end.signal}`;
  return `exited with code ${end.code ?? 0}`;
}
