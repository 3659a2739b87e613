import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Code, MeshError } from "@lateen/errors";
import { thrownBy } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as k from "./constants.ts";
import * as epoll from "./epoll.ts";
import { guardedMemory } from "./guarded-memory.test.support.ts";
import { IoVector } from "./io-vector.ts";
import * as libc from "./libc.ts";
import { Memory } from "./memory.ts";
import { Poller } from "./poller.ts";
import * as streams from "./stream-calls.ts";
import { EAGAIN } from "./system-error.ts";

const STREAM = k.SOCK_STREAM | k.SOCK_NONBLOCK | k.SOCK_CLOEXEC;
let a: number;
let b: number;
beforeAll(() => {
  [a, b] = libc.socketpair(k.AF_UNIX, STREAM, 0);
});
afterAll(() => [a, b].forEach(libc.close));

const codeOf = (run: () => unknown): string => thrownBy(MeshError.is, run)?.code ?? "no error";

/** Empties `fd`. @returns what was there */
function drain(fd: number): Buffer {
  const into = Buffer.alloc(1 << 20);
  let at = 0;
  for (;;) {
    const n = libc.recv(fd, into.subarray(at));
    if (n === null || n === 0) return into.subarray(0, at);
    at += n;
  }
}

/** Numbers that a bug could hand over, past the compiler, as well as good ones. */
const anyNumber = fc.oneof(
  fc.integer({ min: -70_000, max: 70_000 }),
  fc.double(),
  fc.maxSafeInteger(),
  fc.constantFrom(NaN, Infinity, -0, 2 ** 32, 2 ** 53, -1),
  fc.constantFrom("0", null, undefined, 1n, {}, [1]).map((x) => x as unknown as number),
);

describe("ranges", () => {
  const SIZE = 4096;

  test("no length or offset reaches C that is not inside the memory", () => {
    // Canaries around the memory: one allocation, of which the calls get the middle.
    const whole = Buffer.allocUnsafeSlow(3 * SIZE).fill(0xaa);
    const memory = new Memory(whole.subarray(SIZE, 2 * SIZE));
    const vector = new IoVector(4);
    fc.assert(
      fc.property(anyNumber, anyNumber, (at, length) => {
        const good = Number.isInteger(at) && Number.isInteger(length) && at >= 0 && length >= 0 && at + length <= SIZE;
        libc.send(a, Buffer.alloc(8192, 1));
        const received = codeOf(() => streams.recvInto(b, memory, at, length));
        drain(b);
        const sent = codeOf(() => streams.sendFrom(a, memory, at, length));
        const added = codeOf(() => vector.add(memory, at, length));
        vector.clear();
        const arrived = drain(b).length;
        expect([received, sent, added]).toEqual(Array(3).fill(good ? "no error" : Code.Bug));
        expect(arrived).toBe(good ? length + 0 : 0);
        expect(whole.subarray(0, SIZE).every((x) => x === 0xaa)).toBe(true);
        expect(whole.subarray(2 * SIZE).every((x) => x === 0xaa)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("descriptors that are none are refused", () => {
    const memory = new Memory(16);
    const calls: ((fd: number) => unknown)[] = [
      (fd) => streams.recvInto(fd, memory, 0, 1),
      (fd) => streams.sendFrom(fd, memory, 0, 1),
      (fd) => streams.acceptStream(fd),
      (fd) => streams.localAddress(fd),
      (fd) => streams.remoteAddress(fd),
      (fd) => streams.connectStream(fd, { ip: "127.0.0.1", port: 1 }, "ipv4"),
      (fd) => streams.takeError(fd),
      (fd) => streams.endStream(fd),
      (fd) => streams.resetStream(fd),
      (fd) => new IoVector(1).send(fd),
      (fd) => new Poller(1).add(fd, k.EPOLLIN, 0, 0),
    ];
    for (const call of calls)
      for (const fd of [-1, NaN, 0.5, 2 ** 31, "0", null, undefined] as unknown as number[])
        expect(codeOf(() => call(fd))).toBe(Code.Bug);
  });
});

describe("against a guard page", () => {
  const SIZE = 10_000;

  test("receiving, sending and vectors stay inside, to the last byte", () => {
    const memory = guardedMemory(SIZE);
    for (const length of [1, 7, 4096, SIZE]) {
      const text = Buffer.alloc(length, length & 0xff);
      libc.send(a, text);
      expect(streams.recvInto(b, memory, SIZE - length, length)).toBe(length);
      expect(memory.bytes.subarray(SIZE - length).equals(text)).toBe(true);
      expect(streams.sendFrom(a, memory, SIZE - length, length)).toBe(length);
      expect(drain(b).equals(text)).toBe(true);
      const vector = new IoVector(2);
      vector.add(memory, SIZE - length, length);
      vector.add(memory, SIZE - 1, 1);
      expect(vector.send(a)).toBe(length + 1);
      expect(drain(b).length).toBe(length + 1);
    }
  });

  test("one byte more would have been seen", () => {
    const memory = guardedMemory(SIZE);
    // The kernel looks before it writes, and answers EFAULT where a process of its own would have died.
    const beyond = new Memory(memory.bytes);
    Object.defineProperty(beyond, "length", { value: SIZE + 1 });
    libc.send(a, Buffer.alloc(SIZE + 1));
    const n = streams.recvInto(b, beyond, SIZE, 1);
    expect(n).toBe(-14);
    drain(b);
  });

  test("events fill the poller's memory and no more", () => {
    using poller = new Poller(2);
    const fds = [1, 2, 3].map(() => epoll.eventfd());
    fds.forEach((fd, i) => {
      poller.add(fd, k.EPOLLIN, i, -i);
      epoll.signal(fd);
    });
    expect(poller.wait(0)).toBe(2);
    expect(poller.events(2)).toBe(0);
    fds.forEach((fd) => {
      poller.remove(fd);
      libc.close(fd);
    });
    expect(poller.wait(0)).toBe(0);
  });
});

describe("a poller", () => {
  test("gives back both numbers, signed, and reports an edge once", () => {
    using poller = new Poller(8);
    const fd = epoll.eventfd();
    poller.add(fd, k.EPOLLIN | k.EPOLLET, -5, 0x7fff_ffff);
    expect(poller.wait(0)).toBe(0);
    epoll.signal(fd);
    expect(poller.wait(-1)).toBe(1);
    expect([poller.events(0), poller.token(0), poller.extra(0)]).toEqual([k.EPOLLIN, -5, 0x7fff_ffff]);
    expect(poller.wait(0)).toBe(0);
    poller.change(fd, k.EPOLLIN, 6, 7);
    expect(poller.wait(0)).toBe(1);
    expect([poller.token(0), poller.extra(0)]).toEqual([6, 7]);
    libc.close(fd);
  });
});

describe("a vector", () => {
  test("joins neighbours, keeps order, and says what was not taken", () => {
    const memory = new Memory(100);
    memory.bytes.forEach((_, i) => (memory.bytes[i] = i));
    const vector = new IoVector(8);
    vector.add(memory, 10, 5);
    vector.add(memory, 15, 5);
    expect(vector.count).toBe(1);
    vector.addView(Uint8Array.of(200, 201));
    vector.add(memory, 0, 0);
    vector.add(memory, 20, 3);
    expect([vector.count, vector.bytes]).toEqual([3, 15]);
    expect(vector.send(a)).toBe(15);
    const all = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 200, 201, 20, 21, 22];
    expect([...drain(b)]).toEqual(all);
    for (let skip = 0; skip <= 15; skip++) {
      const rest: number[] = [];
      vector.rest(skip, (piece) => rest.push(...piece));
      expect(rest).toEqual(all.slice(skip));
    }
    vector.clear();
    expect([vector.count, vector.bytes, vector.send(a)]).toEqual([0, 0, 0]);
  });

  test("sends any pieces as they are", () => {
    const memory = new Memory(5000);
    memory.bytes.forEach((_, i) => (memory.bytes[i] = i * 7));
    const piece = fc.record({ own: fc.boolean(), at: fc.nat(2500), length: fc.nat(2500) });
    const vector = new IoVector(16);
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
        vector.clear();
        for (const { own, at, length } of pieces)
          if (own) vector.add(memory, at, length);
          else vector.addView(new Uint8Array(memory.bytes.subarray(at, at + length)));
        const want = Buffer.concat(pieces.map(({ at, length }) => memory.bytes.subarray(at, at + length)));
        expect(vector.send(a)).toBe(want.length);
        expect(drain(b).equals(want)).toBe(true);
      }),
    );
  });

  test("is bounded, and refuses views that are none or were taken away", () => {
    const vector = new IoVector(1);
    expect(codeOf(() => new IoVector(1025))).toBe(Code.Bug);
    expect(codeOf(() => new IoVector(0))).toBe(Code.Bug);
    for (const view of [null, "text", 4096, {}, new ArrayBuffer(8), new Uint32Array(2)] as unknown as Uint8Array[])
      expect(codeOf(() => vector.addView(view))).toBe(Code.Bug);
    vector.addView(Uint8Array.of(1));
    expect(vector.full).toBe(true);
    expect(codeOf(() => vector.addView(Uint8Array.of(2)))).toBe(Code.Bug);
    vector.clear();
    const view = new Uint8Array(4096);
    vector.addView(view);
    structuredClone(view, { transfer: [view.buffer] });
    expect(codeOf(() => vector.send(a))).toBe(Code.Bug);
  });
});

test("errors come as negative numbers, end as 0", () => {
  const memory = new Memory(64);
  expect(streams.recvInto(b, memory, 0, 64)).toBe(-EAGAIN);
  const [c, d] = libc.socketpair(k.AF_UNIX, STREAM, 0);
  expect(streams.endStream(c)).toBe(0);
  expect(streams.recvInto(d, memory, 0, 64)).toBe(0);
  libc.close(d);
  expect(streams.sendFrom(c, memory, 0, 64)).toBe(-32);
  expect(streams.takeError(c)).toBe(0);
  libc.close(c);
});

test("TCP: addresses, refusal, acceptance, reset", () => {
  const listener = libc.socket(k.AF_INET, STREAM, 0);
  streams.setNoDelay(listener);
  expect(streams.acceptStream(listener)).toBe(-22);
  libc.bind(listener, Buffer.from([2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]));
  libc.listen(listener, 4);
  expect(streams.acceptStream(listener)).toBe(-EAGAIN);
  const at = streams.localAddress(listener)!;
  const client = libc.socket(k.AF_INET, STREAM, 0);
  expect([0, -115]).toContain(streams.connectStream(client, at, "ipv4"));
  const got = streams.acceptStream(listener);
  if (typeof got === "number") throw new Error(`accept: ${got}`);
  expect(got.remote).toEqual(streams.localAddress(client));
  expect(streams.remoteAddress(client)).toEqual(at);
  const nodelay = Buffer.alloc(4);
  libc.getsockopt(got.fd, k.SOL_TCP, k.TCP_NODELAY, nodelay);
  expect(nodelay.readInt32LE()).toBe(1); // inherited
  streams.resetStream(got.fd);
  expect(streams.takeError(client)).toBe(104);
  libc.close(client);
  libc.close(listener);
});
