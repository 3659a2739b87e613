import { type ByteStream, type CloseReason, ManualLoop, type StreamHandler, memoryPair } from "@lateen/byte-stream";
import { byteStreamSuite } from "@lateen/byte-stream/suite";
import { MeshError, type Result } from "@lateen/errors";
import { describe, expect, test } from "vitest";
import type { ConnectRequest, HboneClient, HboneServer, HboneStream } from "./api.ts";
import { hboneClient } from "./client.ts";
import { settingsFrame } from "./frame-writer.ts";
import { hboneServer } from "./server.ts";
import { data, headers, joinBytes, reset } from "./wire.suite.ts";

class Recorder implements StreamHandler {
  bytes = 0;
  last = -1;
  ended = false;
  writable = 0;
  closed: CloseReason | null = null;
  onData(view: Uint8Array): void {
    this.bytes += view.length;
    this.last = view.at(-1) ?? -1;
  }
  onEnd(): void {
    this.ended = true;
  }
  onWritable(): void {
    this.writable += 1;
  }
  onClose(reason: CloseReason): void {
    this.closed = reason;
  }
}

const record = (s: ByteStream): Recorder => {
  const r = new Recorder();
  s.attach(r);
  return r;
};

interface Tunnel {
  readonly loop: ManualLoop;
  readonly client: HboneClient;
  readonly server: HboneServer;
  readonly requests: ConnectRequest[];
  readonly ends: { client: CloseReason | null; server: CloseReason | null };
  /** The carrier's two ends. */
  readonly carrier: readonly [ByteStream, ByteStream];
}

function tunnel(maxChunkBytes = 1 << 30): Tunnel {
  const loop = new ManualLoop();
  const carrier = memoryPair({ defer: loop.defer, maxChunkBytes });
  const ends: Tunnel["ends"] = { client: null, server: null };
  const requests: ConnectRequest[] = [];
  const common = { trust: "authenticated", nowMs: 0, defer: loop.defer } as const;
  const client = hboneClient(carrier[0], { ...common, onClosed: (r) => (ends.client = r) });
  const server = hboneServer(carrier[1], { ...common, onClosed: (r) => (ends.server = r) }, (r) => requests.push(r));
  loop.run();
  return { loop, client, server, requests, ends, carrier };
}

const must = <T>(result: Result<T> | null): T => {
  if (result === null || !result.ok) throw result?.error ?? new Error("no result");
  return result.value;
};

/** Opens a stream and has it accepted. */
function open(t: Tunnel): { near: HboneStream; far: HboneStream } {
  let result: Result<HboneStream> | null = null;
  t.client.connect({ authority: "10.0.0.1:80", headers: [["baggage", "a=b"]] }, (r) => (result = r));
  t.loop.run();
  const far = t.requests.at(-1)!.accept([["baggage", "c=d"]]);
  t.loop.run();
  return { near: must(result), far };
}

function failure(result: Result<HboneStream> | null): string {
  return result === null || result.ok ? "no failure" : `${result.error.code}: ${result.error.message}`;
}

for (const maxChunkBytes of [1 << 30, 997]) {
  byteStreamSuite({ describe, test }, `HBONE over memory, carrier chunks of at most ${maxChunkBytes}`, async () => {
    const [near, far] = memoryPair({ maxChunkBytes });
    const options = { trust: "authenticated", nowMs: 0 } as const;
    const client = hboneClient(near, options);
    const accepted = new Promise<HboneStream>((resolve) => {
      hboneServer(far, options, (request) => resolve(request.accept([])));
    });
    const a = await new Promise<HboneStream>((resolve) => {
      client.connect({ authority: "10.0.0.1:80", headers: [] }, (r) => resolve(must(r)));
    });
    return { a, b: await accepted, close: () => near.abort() };
  });
}

describe("CONNECT", () => {
  test("carries authority and headers to the server, and the answer's headers back", () => {
    const t = tunnel();
    const { near, far } = open(t);
    expect(t.requests[0]?.authority).toBe("10.0.0.1:80");
    expect([near.headers, far.headers]).toEqual([[["baggage", "c=d"]], [["baggage", "a=b"]]]);
    expect([near.id, far.id, t.client.active, t.server.active]).toEqual([1, 1, 1, 1]);
    expect([near.remote, far.remote]).toEqual([t.carrier[0].remote, t.carrier[1].remote]);
  });

  const refusals: readonly (readonly [number, string])[] = [
    [400, "BAD_INPUT: http status: 400 Bad Request"],
    [401, "DENIED: http status: 401 Unauthorized"],
    [404, "NO_ROUTE: http status: 404 Not Found"],
    [503, "UNAVAILABLE: http status: 503 Service Unavailable"],
    [418, "UNAVAILABLE: http status: 418"],
  ];
  for (const [status, want] of refusals) {
    test(`refused with ${status}`, () => {
      const t = tunnel();
      let result: Result<HboneStream> | null = null;
      t.client.connect({ authority: "a:1", headers: [] }, (r) => (result = r));
      t.loop.run();
      t.requests[0]?.refuse(status);
      t.loop.run();
      expect(failure(result)).toBe(want);
      expect([t.client.active, t.server.active, t.ends.client]).toEqual([0, 0, null]);
      open(t);
    });
  }

  const unsendable: readonly (readonly [string, string, readonly (readonly [string, string])[]])[] = [
    ["an empty authority", "", []],
    ["an authority with a line feed", "a:1\nx", []],
    ["a pseudo-header", "a:1", [[":path", "/"]]],
    ["an upper-case name", "a:1", [["Baggage", "x"]]],
    ["a value that is not Latin-1", "a:1", [["baggage", "\u20ac"]]],
  ];
  for (const [what, authority, headers] of unsendable) {
    test(`cannot be sent with ${what}`, () => {
      const t = tunnel();
      let result: Result<HboneStream> | null = null;
      t.client.connect({ authority, headers }, (r) => (result = r));
      expect(result, "never from inside connect").toBe(null);
      t.loop.run();
      expect(failure(result)).toMatch(/^BAD_INPUT: Cannot send CONNECT: /);
      expect(t.requests).toEqual([]);
    });
  }

  test("an answer is given once", () => {
    const t = tunnel();
    open(t);
    expect(() => t.requests[0]?.refuse(503)).toThrow("answered before");
    expect(() => t.requests[0]?.accept([])).toThrow("answered before");
  });

  test("cancelled before the answer: the server is told, and a late accept closes at once", () => {
    const t = tunnel();
    let called = 0;
    let abandoned = 0;
    const cancel = t.client.connect({ authority: "a:1", headers: [] }, () => (called += 1));
    t.loop.run();
    const request = t.requests[0]!;
    request.onAbandoned = () => (abandoned += 1);
    cancel();
    cancel();
    t.loop.run();
    const late = record(request.accept([]));
    t.loop.run();
    expect([called, abandoned, late.closed?.t]).toEqual([0, 1, "reset"]);
    open(t);
  });

  test("beyond the server's 200 streams the client says so without asking", () => {
    const t = tunnel();
    for (let i = 0; i < 200; i++) open(t);
    expect([t.client.maxStreams, t.client.ready, t.server.active]).toEqual([200, false, 200]);
    let result: Result<HboneStream> | null = null;
    t.client.connect({ authority: "a:1", headers: [] }, (r) => (result = r));
    t.loop.run();
    expect(MeshError.is((result as unknown as { error: unknown }).error)).toBe(true);
    expect(failure(result)).toMatch(/no stream left/);
  });
});

describe("streams of one tunnel", () => {
  test("a reader that sleeps holds back its own writer only", () => {
    const t = tunnel();
    const [slow, quick] = [open(t), open(t)];
    const [atSlow, atQuick] = [record(slow.far), record(quick.far)];
    const writer = record(slow.near);
    record(quick.near);
    slow.far.pause();
    let taken = 0;
    const chunk = new Uint8Array(100_000);
    for (let i = 0; i < 200; i++) {
      const room = slow.near.write(chunk);
      taken += chunk.length;
      t.loop.run();
      if (!room && slow.near.buffered > 0) break;
    }
    expect(taken).toBeLessThan(5_000_000); // one stream window, and one chunk
    for (let i = 0; i < 100; i++) {
      quick.near.write(chunk);
      t.loop.run();
    }
    expect([atSlow.bytes, atQuick.bytes]).toEqual([0, 10_000_000]);
    const before = writer.writable;
    slow.far.resume();
    t.loop.run();
    expect(atSlow.bytes).toBe(taken);
    expect(writer.writable).toBeGreaterThan(before);
  });

  test("200 streams at once, each with its own bytes, all end", () => {
    const t = tunnel(10_000);
    const pairs = Array.from({ length: 200 }, () => open(t));
    const readers = pairs.map((p) => [record(p.near), record(p.far)] as const);
    for (let round = 0; round < 5; round++) {
      for (const [i, p] of pairs.entries()) p.near.write(new Uint8Array(1000 + i).fill(i));
      for (const [i, p] of pairs.entries()) p.far.write(new Uint8Array(10).fill(i), new Uint8Array(300).fill(i));
      t.loop.run();
    }
    for (const p of pairs) p.near.end();
    for (const p of pairs) p.far.end();
    t.loop.run();
    for (const [i, [near, far]] of readers.entries()) {
      expect([near.bytes, near.last, far.bytes, far.last]).toEqual([1550, i, 5 * (1000 + i), i]);
      expect([near.closed, far.closed]).toEqual([{ t: "ended" }, { t: "ended" }]);
    }
    expect([t.client.active, t.server.active]).toEqual([0, 0]);
  });

  test("frames of 1 MiB pass whole", () => {
    const t = tunnel();
    const { near, far } = open(t);
    const reader = record(far);
    record(near);
    near.write(new Uint8Array(1 << 20).fill(7));
    t.loop.run();
    expect([reader.bytes, reader.last]).toEqual([1 << 20, 7]);
  });

  test("bytes kept for a sleeping reader cost about their size, however small the frames were", () => {
    const t = tunnel();
    const { near, far } = open(t);
    const reader = record(far);
    record(near);
    far.pause();
    for (let i = 0; i < 20_000; i++) near.write(Uint8Array.of(i));
    t.loop.run();
    let chunks = 0;
    far.attach({ ...reader, onData: () => (chunks += 1), onEnd() {}, onWritable() {}, onClose() {} });
    far.resume();
    t.loop.run();
    expect(chunks).toBeLessThanOrEqual(2);
  });

  test("a stream aborted with unread bytes gives its window back to the tunnel", () => {
    const t = tunnel();
    for (let i = 0; i < 8; i++) {
      const { near, far } = open(t);
      record(near);
      record(far);
      far.pause();
      for (let n = 0; n < 30; n++) {
        near.write(new Uint8Array(100_000));
        t.loop.run();
      }
      far.abort();
      t.loop.run();
    }
    const { near, far } = open(t);
    record(near);
    const reader = record(far);
    near.write(new Uint8Array(1_000_000));
    t.loop.run();
    expect(reader.bytes).toBe(1_000_000);
  });
});

describe("a reset by the peer", () => {
  const cut = (code: number): { reader: Recorder; run: () => void } => {
    const loop = new ManualLoop();
    const [near, far] = memoryPair({ defer: loop.defer });
    const client = hboneClient(near, { trust: "authenticated", nowMs: 0, defer: loop.defer });
    record(far);
    far.write(settingsFrame([]));
    let result: Result<HboneStream> | null = null;
    client.connect({ authority: "a:1", headers: [] }, (r) => (result = r));
    loop.run();
    far.write(joinBytes(headers(1, [[":status", "200"]]), data(1, 10), reset(1, code)));
    loop.run();
    const reader = record(must(result));
    return { reader, run: () => loop.run() };
  };

  test.each([
    ["CANCEL hands on what came before, cut off", 8, { bytes: 10, ended: false, closed: "reset" }],
    ["NO_ERROR is an end", 0, { bytes: 10, ended: true, closed: "reset" }],
    ["STREAM_CLOSED is a broken pipe, and takes what waits with it", 5, { bytes: 0, ended: false, closed: "reset" }],
    ["any other takes what waits with it, as an error", 2, { bytes: 0, ended: false, closed: "failed" }],
  ])("%s", (_, code, want) => {
    const { reader, run } = cut(code);
    run();
    expect({ bytes: reader.bytes, ended: reader.ended, closed: reader.closed?.t }).toEqual(want);
  });
});

describe("the tunnel's end", () => {
  test("a carrier that breaks fails every stream and what waits", () => {
    const t = tunnel();
    const { near, far } = open(t);
    const [atNear, atFar] = [record(near), record(far)];
    let result: Result<HboneStream> | null = null;
    t.client.connect({ authority: "a:1", headers: [] }, (r) => (result = r));
    t.loop.run();
    t.carrier[1].abort();
    t.loop.run();
    expect([atNear.closed?.t, atFar.closed?.t]).toEqual(["failed", "failed"]);
    expect(failure(result)).toBe("UNAVAILABLE: CONNECT failed: peer aborted");
    expect([t.client.closed, t.server.closed, t.ends]).toEqual([
      true,
      true,
      { client: { t: "reset", why: "peer aborted" }, server: { t: "aborted" } },
    ]);
  });

  test("a peer that vanishes is found out by PING: streams fail, the carrier is let go", () => {
    const loop = new ManualLoop();
    const [near, far] = memoryPair({ defer: loop.defer });
    let closed: CloseReason | null = null;
    const options = { trust: "authenticated", nowMs: 0, defer: loop.defer } as const;
    hboneServer(far, options, (request) => request.accept([]));
    const client = hboneClient(near, { ...options, onClosed: (r) => (closed = r) });
    let result: Result<HboneStream> | null = null;
    client.connect({ authority: "a:1", headers: [] }, (r) => (result = r));
    loop.run();
    const reader = record(must(result));
    far.pause(); // reads nothing any more, like a host that lost power
    for (let sec = 1; sec <= 31; sec++) {
      client.tick(sec * 1000);
      loop.run();
    }
    expect(reader.closed).toEqual({ t: "failed", why: "peer does not answer PING" });
    expect([client.closed, closed]).toEqual([true, { t: "failed", why: "peer does not answer PING" }]);
  });

  test("draining lets streams finish, takes no new ones, then closes", () => {
    for (const who of ["client", "server"] as const) {
      const t = tunnel();
      const { near, far } = open(t);
      const [atNear, atFar] = [record(near), record(far)];
      t[who].drain();
      t.loop.run();
      expect(t.client.ready).toBe(false);
      near.write(Uint8Array.of(1));
      near.end();
      t.loop.run();
      far.write(Uint8Array.of(2));
      expect([t.ends.client, t.ends.server]).toEqual([null, null]);
      far.end();
      t.loop.run();
      expect([atNear.bytes, atNear.closed?.t, atFar.bytes, atFar.closed?.t]).toEqual([1, "ended", 1, "ended"]);
      expect([t.ends.client?.t, t.ends.server?.t]).toEqual(["ended", "ended"]);
    }
  });

  test("aborting says GOAWAY and resets the streams at both ends", () => {
    const t = tunnel();
    const { near, far } = open(t);
    const [atNear, atFar] = [record(near), record(far)];
    t.server.abort();
    t.loop.run();
    expect([atNear.closed?.t, atFar.closed?.t]).toEqual(["failed", "failed"]);
    expect([t.client.closed, t.server.closed]).toEqual([true, true]);
  });

  test("a carrier that cannot send GOAWAY is aborted after a while", () => {
    const t = tunnel();
    t.carrier[0].pause();
    t.server.abort();
    t.loop.run();
    expect(t.server.closed).toBe(false);
    t.server.tick(1000);
    t.server.tick(4000);
    t.loop.run();
    expect(t.server.closed).toBe(true);
  });

  test("a protocol error of the peer is named", () => {
    const t = tunnel();
    t.carrier[0].write(new Uint8Array(9).fill(0xff));
    t.loop.run();
    expect(t.ends.server).toEqual({ t: "failed", why: "unknown frame over the frame size limit" });
  });
});
