import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { once } from "node:events";
import { programPath } from "../program.mjs";

/** An API server waits a minute for watches to end. */
const GRACE_MS = 3_000;

/** One server that is started, stopped and started again with the same flags. */
export class ServerProcess {
  readonly #args: readonly string[];
  readonly #logFile: string;
  #child: ChildProcess | null = null;

  constructor(args: readonly string[], logFile: string) {
    this.#args = args;
    this.#logFile = logFile;
  }

  get runs(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The last of what it said. */
  get tail(): string {
    try {
      return readFileSync(this.#logFile, "utf8").split("\n").slice(-15).join("\n");
    } catch {
      return "(it said nothing)";
    }
  }

  start(): void {
    if (this.runs) throw new Error("it runs already");
    const log = openSync(this.#logFile, "a");
    this.#child = spawn(programPath(), this.#args, { stdio: ["ignore", log, log] });
    closeSync(log);
  }

  /** Ends it and waits until it is gone. After SIGTERM it may finish for a while, as in a pod. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === null || !this.runs) return;
    const gone = once(child, "exit");
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
    await gone;
    clearTimeout(timer);
  }

  /** `SIGSTOP` freezes it with its connections open, `SIGCONT` goes on. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(signal);
  }
}
