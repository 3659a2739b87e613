import type { Worker } from "node:worker_threads";
import { Code, MeshError } from "@lateen/errors";

type Handle = Awaited<ReturnType<Worker["startCpuProfile"]>>;

/** Samples kept, one a millisecond; older ones go first. */
const MAX_SAMPLES = 120_000;
/** A profile that nobody fetches ends by itself. */
const MAX_MS = 300_000;

/** The profiler writes a regular expression's source into its JSON as it stands, quotes and backslashes included. */
const RAW_NAME = /"functionName":"(RegExp: .*?)","lineNumber":/g;
const quoted = (profile: string): string =>
  profile.replace(RAW_NAME, (_, name: string) => `"functionName":${JSON.stringify(name)},"lineNumber":`);

interface Running {
  readonly handle: Promise<Handle>;
  readonly deadline: NodeJS.Timeout;
}

/** What one data thread spends its time on, while somebody asks. One profile at a time. */
export class ThreadProfile {
  readonly #worker: Pick<Worker, "startCpuProfile">;
  readonly #wake: () => void;
  #running: Running | null = null;

  /** @param wake makes a thread that sleeps in the kernel look at what it is asked */
  constructor(worker: Pick<Worker, "startCpuProfile">, wake: () => void) {
    this.#worker = worker;
    this.#wake = wake;
  }

  /** @throws MeshError BAD_INPUT when one runs already, UNAVAILABLE when this runtime cannot look into a thread */
  async start(): Promise<void> {
    if (this.#running !== null) throw new MeshError(Code.BadInput, "Cannot profile thread: a profile runs already");
    if (typeof this.#worker.startCpuProfile !== "function")
      throw new MeshError(Code.Unavailable, "Cannot profile thread: this needs Node 24.8 or newer");
    const handle = this.#worker.startCpuProfile({ sampleInterval: 1, maxBufferSize: MAX_SAMPLES });
    const deadline = setTimeout(() => void this.stop().catch(() => undefined), MAX_MS).unref();
    const running = { handle, deadline };
    this.#running = running;
    this.#wake();
    try {
      await handle;
    } catch (cause) {
      this.#forget(running);
      throw new MeshError(Code.Unavailable, "Cannot profile thread: it does not answer", {}, cause);
    }
  }

  /** @returns the profile, in V8's `.cpuprofile` JSON. @throws MeshError BAD_INPUT when none runs */
  async stop(): Promise<string> {
    const running = this.#running;
    if (running === null) throw new MeshError(Code.BadInput, "Cannot stop profile: none runs");
    this.#forget(running);
    const profile = (await running.handle).stop();
    this.#wake();
    return quoted(await profile);
  }

  #forget(running: Running): void {
    clearTimeout(running.deadline);
    if (this.#running === running) this.#running = null;
  }
}
