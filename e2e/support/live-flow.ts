import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { eventually } from "@lateen/testkit";
import type { TestPod } from "./test-pod.ts";

const DEADLINE_MS = 20_000;
const PAUSE_MS = 5;
/** A prime, so that a piece that is repeated or left out does not look right. */
const PERIOD = 65_521;
const MAX_CHUNK = 20_000;

const pattern = Buffer.alloc(PERIOD + MAX_CHUNK);
for (let i = 0, x = 0x2545_f491; i < PERIOD; i++) {
  x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0;
  pattern[i] = x >>> 16;
}
pattern.copy(pattern, PERIOD, 0, MAX_CHUNK);

/** One connection to an `echo` server that lives for as long as the test wants; every byte that comes back is compared. */
export class LiveFlow {
  readonly #socket: Socket;
  readonly #seed: number;
  #timer: NodeJS.Timeout | null = null;
  sent = 0;
  received = 0;
  /** What went wrong first, null while nothing has. */
  problem: string | null = null;

  private constructor(socket: Socket, seed: number) {
    this.#socket = socket;
    this.#seed = (seed * 7_919) % PERIOD;
    socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    socket.on("error", (e) => (this.problem ??= e.message));
    socket.on("end", () => (this.problem ??= "ended by the other side"));
    socket.on("close", () => (this.problem ??= "closed"));
  }

  /** @param kind `busy` sends from here on, `idle` only when asked to */
  static async open(
    from: TestPod,
    to: { readonly ip: string; readonly port: number },
    o: { readonly seed: number; readonly kind: "busy" | "idle" },
  ): Promise<LiveFlow> {
    const flow = new LiveFlow(await from.connected(to.ip, to.port), o.seed);
    if (o.kind === "busy") flow.#timer = setInterval(() => flow.#more(), PAUSE_MS);
    return flow;
  }

  #more(): void {
    // One answer may be under way for long while proxies change: what waits for it is bounded.
    if (this.problem === null && this.sent - this.received < 20 * MAX_CHUNK)
      this.send(1 + ((this.sent * 31) % MAX_CHUNK));
  }

  send(bytes: number): void {
    const at = (this.#seed + this.sent) % PERIOD;
    this.#socket.write(pattern.subarray(at, at + bytes));
    this.sent += bytes;
  }

  #receive(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const size = Math.min(bytes.length - at, MAX_CHUNK);
      const from = (this.#seed + this.received) % PERIOD;
      if (pattern.compare(bytes, at, at + size, from, from + size) !== 0)
        this.problem ??= `wrong bytes near ${this.received}`;
      this.received += size;
      at += size;
    }
  }

  /** Stops sending, and waits until everything has come back; what is at rest says something first. @returns the problem */
  async answered(): Promise<string | null> {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.problem === null) this.send(997);
    await eventually(() => this.problem !== null || this.received === this.sent, {
      what: "every byte to come back",
      deadlineMs: DEADLINE_MS,
    });
    return this.problem;
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.problem ??= "closed by the test";
    this.#socket.destroy();
  }
}
