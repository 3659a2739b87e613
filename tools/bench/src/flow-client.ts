import { Buffer } from "node:buffer";
import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { argv, exit, stdin, stdout } from "node:process";

// `flow-client.ts HOST PORT IDLE BUSY BYTES_PER_SEC`: connections to an echo server, some at rest, the others with so many bytes
// a second together, each way. Every byte that comes back is compared with what it must be, and every chunk's way is timed. Says
// so by one line once it runs, and what it saw as JSON after its input has ended.

const [host = "", port, idleCount, busyCount, bytesPerSec] = argv.slice(2);
const AT_ONCE = 32;
const CHUNK_MS = 100;
const DEADLINE_MS = 20_000;
/** A prime, so that a piece repeated or left out does not look like the right one. */
const PERIOD = 65_521;
const MAX_CHUNK = 65_536;

const pattern = Buffer.alloc(PERIOD + MAX_CHUNK);
let x = 0x2545_f491;
for (let i = 0; i < PERIOD; i++) {
  x = (x ^ (x << 13)) >>> 0;
  x = (x ^ (x >>> 17)) >>> 0;
  x = (x ^ (x << 5)) >>> 0;
  pattern[i] = x;
}
pattern.copy(pattern, PERIOD, 0, MAX_CHUNK);

const latencies: number[] = [];
const problems: string[] = [];

class Flow {
  readonly socket: Socket;
  readonly #seed: number;
  readonly #chunks: { readonly end: number; readonly atMs: number }[] = [];
  sent = 0;
  received = 0;
  wrong = 0;
  over = false;
  ended = false;

  constructor(seed: number) {
    this.#seed = seed * 7919;
    this.socket = connect({ host, port: Number(port), noDelay: true });
    this.socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    this.socket.on("error", (error) => problems.push(error.message));
    this.socket.on("end", () => (this.ended = true));
    this.socket.on("close", () => {
      if (!this.over) problems.push("closed in the middle");
      this.over = true;
    });
  }

  send(bytes: number): void {
    if (this.over) return;
    for (let left = bytes; left > 0;) {
      const size = Math.min(left, MAX_CHUNK);
      const at = (this.#seed + this.sent) % PERIOD;
      this.socket.write(pattern.subarray(at, at + size));
      this.sent += size;
      left -= size;
    }
    this.#chunks.push({ end: this.sent, atMs: performance.now() });
  }

  #receive(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const size = Math.min(bytes.length - at, MAX_CHUNK);
      const from = (this.#seed + this.received) % PERIOD;
      if (pattern.compare(bytes, at, at + size, from, from + size) !== 0) this.wrong += size;
      this.received += size;
      at += size;
    }
    while (this.#chunks.length > 0 && this.#chunks[0]!.end <= this.received)
      latencies.push(performance.now() - this.#chunks.shift()!.atMs);
  }
}

const flows: Flow[] = [];
const total = Number(idleCount) + Number(busyCount);
while (flows.length < total) {
  const more = Array.from({ length: Math.min(AT_ONCE, total - flows.length) }, (_, i) => new Flow(flows.length + i));
  await Promise.all(more.map((flow) => once(flow.socket, "connect")));
  flows.push(...more);
}
const busy = flows.slice(0, Number(busyCount));
const each = Math.round((Number(bytesPerSec) / Math.max(1, busy.length) / 1000) * CHUNK_MS);
const timers = busy.map((flow, i) => {
  const start = setTimeout(
    () => (timers[i] = setInterval(() => flow.send(each), CHUNK_MS)),
    (i * CHUNK_MS) / busy.length,
  );
  return start as NodeJS.Timeout;
});
stdout.write("running\n");

stdin.resume().once("end", () => void finish());

/** Waits until all of it came back, or for no longer. */
async function settled(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!holds() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function finish(): Promise<void> {
  for (const timer of timers) clearInterval(timer);
  const timed = latencies.length;
  for (const flow of flows) flow.send(997); // those at rest must still be there
  await settled(() => flows.every((flow) => flow.received === flow.sent));
  const unanswered = flows.filter((flow) => flow.received !== flow.sent).length;
  for (const flow of flows) {
    if (!flow.over) flow.socket.end();
    flow.over = true; // from here on a close is what is wanted
  }
  await settled(() => flows.every((flow) => flow.ended));
  const seen = {
    connections: flows.length,
    bytes: flows.reduce((n, flow) => n + flow.received, 0),
    wrongBytes: flows.reduce((n, flow) => n + flow.wrong, 0),
    resets: problems.length,
    unanswered,
    notEnded: flows.filter((flow) => !flow.ended).length,
    problems: [...new Set(problems)].slice(0, 5),
    latenciesMs: latencies.slice(0, timed).map((ms) => Math.round(ms * 100) / 100),
  };
  stdout.write(`${JSON.stringify(seen)}\n`, () => exit(0));
}
