import type { ByteStream, CloseReason, StreamHandler } from "./byte-stream.ts";

/** Two connected ends made by the carrier under test. */
export interface StreamRig {
  readonly a: ByteStream;
  readonly b: ByteStream;
  /** Lets go of everything, whatever state the ends are in. */
  close(): void | Promise<void>;
}

/** The test runner's two functions, so that the suite runs under vitest, node:test and Deno alike. */
export interface TestApi {
  describe(name: string, body: () => void): void;
  test(name: string, body: () => Promise<void>): void;
}

/** Nothing in the suite takes long; a case that has not seen its event by then never will. */
const DEADLINE_MS = 10_000;
/** A carrier may take this much from a writer whose reader sleeps. */
const MAX_TAKEN = 64 * 1024 * 1024;

/** Byte `i` of every test stream, so that order and content are checked together. */
const byteAt = (i: number): number => (i * 7 + (i >>> 8) * 13 + (i >>> 16)) & 0xff;

function bytesFrom(at: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => byteAt(at + i));
}

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** Records what happens at one end, and checks on the way what must hold for every stream. */
class End implements StreamHandler {
  readonly stream: ByteStream;
  readonly name: string;
  received = 0;
  sent = 0;
  ended = false;
  writable = 0;
  closed: CloseReason | null = null;
  fault: string | null = null;
  onBytes: (bytes: Uint8Array) => void = () => {};
  #inside = false;
  #wake: () => void = () => {};

  constructor(name: string, stream: ByteStream) {
    this.name = name;
    this.stream = stream;
  }

  onData(bytes: Uint8Array): void {
    this.#event("onData");
    if (this.ended) this.fault ??= `${this.name}: onData after onEnd`;
    for (const [i, byte] of bytes.entries()) {
      if (byte !== byteAt(this.received + i)) this.fault ??= `${this.name}: wrong byte at ${this.received + i}`;
    }
    this.received += bytes.length;
    this.onBytes(bytes);
    this.#wake();
  }

  onEnd(): void {
    this.#event("onEnd");
    if (this.ended) this.fault ??= `${this.name}: onEnd twice`;
    this.ended = true;
    this.#wake();
  }

  onWritable(): void {
    this.#event("onWritable");
    this.writable += 1;
    this.#wake();
  }

  onClose(reason: CloseReason): void {
    this.#event("onClose");
    this.closed = reason;
    this.#wake();
  }

  #event(name: string): void {
    if (this.#inside) this.fault ??= `${this.name}: ${name} called from inside a method`;
    if (this.closed !== null) this.fault ??= `${this.name}: ${name} after onClose`;
  }

  /** Runs a method of the stream; no callback may come from inside it. */
  call<T>(run: (s: ByteStream) => T): T {
    this.#inside = true;
    try {
      return run(this.stream);
    } finally {
      this.#inside = false;
    }
  }

  attach(): this {
    this.call((s) => s.attach(this));
    return this;
  }

  /** Writes the next bytes of the pattern, in two parts when `split` is inside. */
  send(length: number, split = 0): boolean {
    const bytes = bytesFrom(this.sent, length);
    this.sent += length;
    return this.call((s) => (split > 0 ? s.write(bytes.subarray(0, split), bytes.subarray(split)) : s.write(bytes)));
  }

  /** Waits until the condition holds, looking at it after each event. */
  async until(what: string, condition: () => boolean): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS;
    while (this.fault === null && !condition()) {
      const left = deadline - Date.now();
      check(
        left > 0,
        `${this.name}: ${what}: not within ${DEADLINE_MS} ms (received ${this.received}, sent ${this.sent})`,
      );
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    check(this.fault === null, this.fault ?? "");
  }
}

type Case = readonly [name: string, run: (a: End, b: End) => Promise<void>];

/** Writes until told to wait. */
function fill(end: End): void {
  while (end.send(65_536))
    check(end.sent < MAX_TAKEN, `${end.name}: took ${end.sent} bytes that nobody reads without asking to wait`);
}

async function bothClosed(a: End, b: End, want: readonly [string, string]): Promise<void> {
  await a.until("onClose", () => a.closed !== null);
  await b.until("onClose", () => b.closed !== null);
  check(a.closed?.t === want[0], `a closed as ${JSON.stringify(a.closed)}, not ${want[0]}`);
  check(b.closed?.t === want[1], `b closed as ${JSON.stringify(b.closed)}, not ${want[1]}`);
}

async function halfClose(first: End, second: End): Promise<void> {
  first.attach();
  second.attach();
  first.send(1000);
  first.call((s) => s.end());
  await second.until("the end", () => second.ended);
  check(second.received === 1000, "bytes before the end were lost");
  for (let i = 0; i < 10; i++) second.send(30_000);
  await first.until("bytes against the closed direction", () => first.received === 300_000);
  check(first.closed === null && second.closed === null, "closed while one direction lives");
  second.call((s) => s.end());
  await bothClosed(first, second, ["ended", "ended"]);
  check(first.ended, "no onEnd before onClose");
}

async function reset(first: End, second: End): Promise<void> {
  first.attach();
  second.attach();
  first.send(10);
  await second.until("a first byte", () => second.received === 10);
  first.call((s) => s.abort());
  first.call((s) => s.abort());
  await bothClosed(first, second, ["aborted", "reset"]);
}

const CASES: readonly Case[] = [
  [
    "bytes arrive in order, both ways at once, in any pieces",
    async (a, b) => {
      a.attach();
      b.attach();
      for (let i = 0; i < 60; i++) {
        a.send(1 + ((i * 7919) % 40_000), i % 3 === 0 ? 1 : 0);
        b.send(1 + ((i * 104_729) % 40_000), i % 2 === 0 ? 1 : 0);
      }
      await b.until("all of a", () => b.received === a.sent);
      await a.until("all of b", () => a.received === b.sent);
    },
  ],
  [
    "nothing is delivered before attach, and nothing is lost",
    async (a, b) => {
      a.attach();
      a.send(5000);
      a.call((s) => s.end());
      await Promise.resolve();
      check(b.received === 0, "delivered without a handler");
      b.attach();
      await b.until("bytes and end", () => b.received === 5000 && b.ended);
    },
  ],
  ["one end closes its direction and goes on reading", (a, b) => halfClose(a, b)],
  ["the other end closes its direction and goes on reading", (a, b) => halfClose(b, a)],
  ["abort at one end is a reset at the other", (a, b) => reset(a, b)],
  ["abort at the other end is a reset at the one", (a, b) => reset(b, a)],
  [
    "a slow reader stops the writer, and loses nothing",
    async (a, b) => {
      a.attach();
      b.attach();
      b.call((s) => s.pause());
      fill(a);
      const before = b.received;
      b.call((s) => s.resume());
      await a.until("onWritable", () => a.writable > 0);
      await b.until("the rest", () => b.received === a.sent);
      check(before < a.sent, "nothing was held back");
      check(a.stream.buffered === 0, `still says ${a.stream.buffered} bytes are buffered`);
    },
  ],
  [
    "paused, nothing arrives; the other direction is not disturbed",
    async (a, b) => {
      a.attach();
      b.attach();
      b.call((s) => s.pause());
      a.send(100);
      for (let i = 0; i < 5; i++) {
        b.send(10);
        await a.until("bytes", () => a.received === b.sent);
      }
      check(b.received === 0, "delivered while paused");
      b.call((s) => s.resume());
      await b.until("what waited", () => b.received === 100);
    },
  ],
  [
    "pausing and resuming from inside onData keeps the order",
    async (a, b) => {
      b.onBytes = () => {
        b.stream.pause();
        setTimeout(() => b.call((s) => s.resume()), 0);
      };
      a.attach();
      b.attach();
      for (let i = 0; i < 20; i++) a.send(20_000);
      a.call((s) => s.end());
      await b.until("everything and the end", () => b.received === a.sent && b.ended);
    },
  ],
  [
    "the end comes behind all that was written",
    async (a, b) => {
      a.attach();
      for (let i = 0; i < 40; i++) a.send(50_000);
      a.call((s) => s.end());
      a.call((s) => s.end());
      b.attach();
      await b.until("the end", () => b.ended);
      check(b.received === a.sent, `end after ${b.received} of ${a.sent} bytes`);
    },
  ],
  [
    "a write after the end is ignored",
    async (a, b) => {
      a.attach();
      b.attach();
      a.send(10);
      a.call((s) => s.end());
      check(
        a.call((s) => s.write(Uint8Array.of(1, 2, 3))),
        "an ignored write must not ask to wait",
      );
      b.call((s) => s.end());
      await bothClosed(a, b, ["ended", "ended"]);
      check(b.received === 10, `received ${b.received} bytes`);
    },
  ],
  [
    "abort drops what is buffered",
    async (a, b) => {
      a.attach();
      b.attach();
      b.call((s) => s.pause());
      fill(a);
      a.call((s) => s.abort());
      b.call((s) => s.resume());
      await a.until("onClose", () => a.closed !== null);
      await b.until("onClose", () => b.closed !== null);
      check(a.closed?.t === "aborted" && b.closed?.t !== "ended", "an abort looked like an end");
      check(a.stream.buffered === 0, "still buffered");
      check(
        a.call((s) => s.write(Uint8Array.of(1))),
        "a write after abort must not ask to wait",
      );
    },
  ],
  [
    "abort after our own end still closes both",
    async (a, b) => {
      a.attach();
      b.attach();
      a.send(10);
      a.call((s) => s.end());
      await b.until("the end", () => b.ended);
      a.call((s) => s.abort());
      await a.until("onClose", () => a.closed !== null);
      b.send(1); // a system that has seen the end may look again only when it writes
      await bothClosed(a, b, ["aborted", "reset"]);
    },
  ],
  [
    "bytes may be sent from inside onData",
    async (a, b) => {
      b.onBytes = (bytes) => {
        b.stream.write(bytes.slice());
      };
      a.attach();
      b.attach();
      for (let i = 0; i < 10; i++) a.send(10_000);
      await a.until("the echo", () => a.received === a.sent);
    },
  ],
  [
    "a second attach replaces the handler",
    async (a, b) => {
      a.attach();
      b.attach();
      a.send(100);
      await b.until("the first bytes", () => b.received === 100);
      const next = new End("next", b.stream);
      next.received = 100; // the pattern goes on
      b.call((s) => s.attach(next));
      a.send(100);
      await next.until("the next bytes", () => next.received === 200);
      check(b.received === 100, "the old handler was called");
    },
  ],
  [
    "an empty write is nothing",
    async (a, b) => {
      a.attach();
      b.attach();
      a.call((s) => s.write(new Uint8Array(0)));
      a.call((s) => s.write(new Uint8Array(0), new Uint8Array(0)));
      a.send(3);
      await b.until("the bytes", () => b.received === 3);
    },
  ],
];

/**
 * What every carrier of byte streams must do. Declares one group of tests.
 * @param open makes two connected ends, neither attached
 */
export function byteStreamSuite(api: TestApi, name: string, open: () => StreamRig | Promise<StreamRig>): void {
  api.describe(`byte stream: ${name}`, () => {
    for (const [title, run] of CASES) {
      api.test(title, async () => {
        const rig = await open();
        const ends = [new End("a", rig.a), new End("b", rig.b)] as const;
        try {
          await run(...ends);
          for (const end of ends) check(end.fault === null, end.fault ?? "");
        } finally {
          await rig.close();
        }
      });
    }
  });
}
