import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { once } from "node:events";
import { sleep } from "@lateen/lifecycle";
import type { TestPod } from "./test-pod.ts";

const REQUEST_DEADLINE_MS = 15_000;
/** After a request that failed: a refusal comes at once, and trying again without a pause would only burn the processor. */
const PAUSE_MS = 20;
const MAX_BODY_BYTES = 40_000;

/** Sends back all that comes, and ends when its client does. */
export function echo(socket: Socket): void {
  socket.on("error", () => socket.destroy());
  socket.pipe(socket);
}

export interface TrafficOptions {
  readonly from: TestPod;
  readonly to: { readonly ip: string; readonly port: number };
  /** In every request and answer. */
  readonly marker: string;
}

/**
 * Requests to an `echo` server, each over a connection of its own, one after another until stopped. Each must come back whole:
 * a cut answer is a failure like a refused connection, a wrong one is `corrupted`.
 */
export class Traffic implements AsyncDisposable {
  readonly #o: TrafficOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #wake = Promise.withResolvers<void>();
  succeeded = 0;
  /** Bytes that came back whole. */
  bytes = 0;
  readonly failures: string[] = [];
  readonly corrupted: string[] = [];

  constructor(o: TrafficOptions) {
    this.#o = o;
    this.#running = this.#run();
  }

  get attempts(): number {
    return this.succeeded + this.failures.length + this.corrupted.length;
  }

  /** Waits for this many more successes of requests that begin after this call. */
  async successes(count: number, deadlineMs = 20_000): Promise<void> {
    const wanted = this.succeeded + count + 1; // one is under way, and may have begun before
    await this.#until(() => this.succeeded >= wanted, deadlineMs, `${count} successes`);
  }

  /** Waits for this many more requests, whatever becomes of them. */
  async more(count: number, deadlineMs = 60_000): Promise<void> {
    const wanted = this.attempts + count;
    await this.#until(() => this.attempts >= wanted, deadlineMs, `${count} requests`);
  }

  async #until(holds: () => boolean, deadlineMs: number, what: string): Promise<void> {
    const deadline = AbortSignal.timeout(deadlineMs);
    const expired = once(deadline, "abort");
    while (!holds()) {
      if (deadline.aborted)
        throw new Error(
          `Waited ${deadlineMs} ms for ${what}; the last failures: ${this.failures.slice(-5).join("; ")}`,
        );
      await Promise.race([this.#wake.promise, expired]);
    }
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#stop.signal.aborted; n++) {
      const sent = Buffer.from(`${this.#o.marker} ${n} `.padEnd(20 + ((n * 7_919) % MAX_BODY_BYTES), `${n}`));
      try {
        const back = await this.#request(sent);
        if (back.equals(sent)) this.#success(back.length);
        else if (sent.subarray(0, back.length).equals(back)) this.failures.push(`cut after ${back.length} bytes`);
        else this.corrupted.push(`request ${n}: ${back.subarray(0, 100).toString("latin1")}`);
      } catch (e) {
        this.failures.push(e instanceof Error ? e.message : String(e));
        await sleep(PAUSE_MS);
      }
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    }
  }

  #success(bytes: number): void {
    this.succeeded += 1;
    this.bytes += bytes;
  }

  async #request(body: Buffer): Promise<Buffer> {
    const { from, to } = this.#o;
    const socket = from.connect(to.ip, to.port);
    socket.setTimeout(REQUEST_DEADLINE_MS, () => socket.destroy(new Error("no answer in time")));
    const stop = (): void => void socket.destroy(new Error("stopped"));
    this.#stop.signal.addEventListener("abort", stop);
    try {
      socket.end(body);
      return await buffer(socket);
    } finally {
      this.#stop.signal.removeEventListener("abort", stop);
      socket.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
