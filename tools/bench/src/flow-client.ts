import { Buffer } from "node:buffer";
import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { argv, exit, stderr, stdin, stdout } from "node:process";
import { WayHistogram } from "./way-histogram.ts";

// `flow-client.ts HOST PORT IDLE BUSY BYTES_PER_SEC NEW_PER_SEC`: connections to an echo server, some at rest, the others with so
// many bytes a second together, each way, in pieces of random size at random times; and so many short connections a second
// beside them. Every byte that comes back is compared with what it must be, and every piece's way is timed. Says so by one line
// once it runs, and what it saw as JSON after its input has ended.

const [host = "", port, idleCount, busyCount, bytesPerSec, newPerSec] = argv.slice(2);
const AT_ONCE = 32;
/** Between two pieces of a connection, on average. */
const PIECE_MS = 100;
const MAX_BYTES_PER_SEC = 1_000_000;
const DEADLINE_MS = 20_000;
/** A prime, so that a piece repeated or left out does not look like the right one. */
const PERIOD = 65_521;
const MAX_CHUNK = 65_536;

const pattern = Buffer.alloc(PERIOD + MAX_CHUNK);
let x = 0x2545_f491;
function random(): number {
  x = (x ^ (x << 13)) >>> 0;
  x = (x ^ (x >>> 17)) >>> 0;
  x = (x ^ (x << 5)) >>> 0;
  return x / 2 ** 32;
}
for (let i = 0; i < PERIOD; i++) pattern[i] = random() * 256;
pattern.copy(pattern, PERIOD, 0, MAX_CHUNK);

const ways = new WayHistogram();
const problems: string[] = [];
const nowMs = (): number => performance.timeOrigin + performance.now();

class Flow {
  readonly socket: Socket;
  readonly #seed: number;
  readonly #pieces: { readonly end: number; readonly atMs: number }[] = [];
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
    this.#pieces.push({ end: this.sent, atMs: nowMs() });
  }

  #receive(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const size = Math.min(bytes.length - at, MAX_CHUNK);
      const from = (this.#seed + this.received) % PERIOD;
      if (pattern.compare(bytes, at, at + size, from, from + size) !== 0) this.wrong += size;
      this.received += size;
      at += size;
    }
    while (this.#pieces.length > 0 && this.#pieces[0]!.end <= this.received) {
      const { atMs } = this.#pieces.shift()!;
      ways.add(atMs, nowMs() - atMs);
    }
  }
}

const flows: Flow[] = [];
const total = Number(idleCount) + Number(busyCount);
while (flows.length < total) {
  const more = Array.from({ length: Math.min(AT_ONCE, total - flows.length) }, (_, i) => new Flow(flows.length + i));
  await Promise.all(more.map((flow) => once(flow.socket, "connect")));
  flows.push(...more);
}

// Each must carry before anything is replaced, so that what is lost later is known to be lost then.
for (const flow of flows) flow.send(101);
const answeredBy = performance.now() + DEADLINE_MS;
while (flows.some((flow) => flow.received !== flow.sent)) {
  if (performance.now() > answeredBy || problems.length > 0) {
    const missing = flows.filter((flow) => flow.received !== flow.sent).length;
    stderr.write(`${missing} of ${flows.length} connections did not carry from the start: ${problems.join("; ")}\n`);
    exit(1);
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Some have much to say and most little, as it is: shares of the whole, none above what one may have. */
const busy = flows.slice(0, Number(busyCount)).map((flow) => ({ flow, share: -Math.log(1 - random()) + 0.05 }));
const shares = busy.reduce((sum, { share }) => sum + share, 0);
const timers = new Set<NodeJS.Timeout>();
let stopped = false;
function after(ms: number, run: () => void): void {
  const timer = setTimeout(() => {
    timers.delete(timer);
    if (!stopped) run();
  }, ms);
  timers.add(timer);
}
for (const { flow, share } of busy) {
  const rate = Math.min(MAX_BYTES_PER_SEC, (Number(bytesPerSec) * share) / shares);
  let lastMs = nowMs();
  const next = (): void =>
    after(2 * PIECE_MS * random(), () => {
      // What is due since the last, give or take half of it: late timers do not make it less.
      const dueMs = nowMs() - lastMs;
      lastMs += dueMs;
      flow.send(Math.max(1, Math.round((rate * dueMs * (0.5 + random())) / 1000)));
      next();
    });
  next();
}

const fresh = { opened: 0, failed: 0 };
function openNew(): void {
  after(1000 / Number(newPerSec), openNew);
  fresh.opened += 1;
  const flow = new Flow(fresh.opened);
  flow.socket.once("connect", () => flow.send(1 + Math.round(random() * 5_000)));
  flow.socket.on("data", () => {
    if (flow.received < flow.sent) return;
    flow.over = true;
    flow.socket.end();
  });
  flow.socket.on("close", () => {
    if (flow.received !== flow.sent || flow.sent === 0 || flow.wrong > 0) fresh.failed += 1;
  });
}
if (Number(newPerSec) > 0) openNew();
stdout.write("running\n");

stdin.resume().once("end", () => void finish());

/** Waits until all of it came back, or for no longer. */
async function settled(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!holds() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function finish(): Promise<void> {
  stopped = true;
  for (const timer of timers) clearTimeout(timer);
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
    fresh,
    ways: ways.toJSON(),
  };
  stdout.write(`${JSON.stringify(seen)}\n`, () => exit(0));
}
