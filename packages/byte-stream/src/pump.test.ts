import { describe, expect, test } from "vitest";
import type { ByteStream, CloseReason, StreamHandler } from "./byte-stream.ts";
import { ManualLoop, memoryPair } from "./memory-pair.ts";
import { closedStream } from "./closed-stream.ts";
import { Flow, type Pump, pump, restorePump } from "./pump.ts";
import { byteStreamSuite } from "./suite.ts";

const noop = (): void => {};

/** a - [left | right] - b, with the pump in the brackets. */
function relayed(loop?: ManualLoop) {
  const options = loop === undefined ? {} : { defer: loop.defer };
  const [a, left] = memoryPair(options);
  const [right, b] = memoryPair(options);
  const flows = { toB: new Flow(), toA: new Flow() };
  const ends: CloseReason[][] = [];
  pump(left, right, flows, (x, y) => ends.push([x, y]));
  return { a, b, flows, ends };
}

class Recorder implements StreamHandler {
  readonly got: number[] = [];
  readonly events: string[] = [];
  onData(bytes: Uint8Array): void {
    this.got.push(...bytes);
  }
  onEnd(): void {
    this.events.push("end");
  }
  onWritable(): void {}
  onClose(reason: CloseReason): void {
    this.events.push(reason.t);
  }
}

const record = (s: ByteStream): Recorder => {
  const r = new Recorder();
  s.attach(r);
  return r;
};

byteStreamSuite({ describe, test }, "two memory streams and a pump between", () => {
  const { a, b } = relayed();
  return {
    a,
    b,
    close: () => {
      a.abort();
      b.abort();
    },
  };
});

test("counts bytes and chunks each way, and reports both ends once", () => {
  const loop = new ManualLoop();
  const { a, b, flows, ends } = relayed(loop);
  const [atA, atB] = [record(a), record(b)];
  a.write(Uint8Array.of(1, 2, 3));
  b.write(Uint8Array.of(4));
  loop.run();
  a.end();
  loop.run();
  expect(atB.events).toEqual(["end"]);
  b.write(Uint8Array.of(5));
  b.end();
  loop.run();
  expect([atA.got, atB.got]).toEqual([
    [4, 5],
    [1, 2, 3],
  ]);
  expect(flows).toEqual({ toB: { bytes: 3, chunks: 1 }, toA: { bytes: 2, chunks: 2 } });
  expect(ends).toEqual([[{ t: "ended" }, { t: "ended" }]]);
});

test("a reset is passed on, in either direction", () => {
  for (const first of ["a", "b"] as const) {
    const loop = new ManualLoop();
    const { a, b, ends } = relayed(loop);
    const [atA, atB] = [record(a), record(b)];
    (first === "a" ? a : b).abort();
    loop.run();
    expect(first === "a" ? atB.events : atA.events).toEqual(["reset"]);
    expect(ends).toHaveLength(1);
  }
});

test("a stream that breaks after its end does not tear down what still flushes", () => {
  const loop = new ManualLoop();
  const { a, b, ends } = relayed(loop);
  const atB = record(b);
  record(a);
  b.pause();
  a.write(Uint8Array.of(1, 2, 3));
  a.end();
  loop.run();
  a.abort();
  loop.run();
  expect(atB.events).toEqual([]);
  b.resume();
  loop.run();
  expect(atB.got).toEqual([1, 2, 3]);
  expect(atB.events).toEqual(["end"]);
  b.write(Uint8Array.of(9)); // to nobody: answered as a kernel answers after close()
  loop.run();
  expect(atB.events).toEqual(["end", "reset"]);
  expect(ends).toHaveLength(1);
});

test("aborting one stream from outside ends the relay", () => {
  const loop = new ManualLoop();
  const [a, left] = memoryPair({ defer: loop.defer });
  const [right, b] = memoryPair({ defer: loop.defer });
  let done = 0;
  pump(left, right, { toB: new Flow(), toA: new Flow() }, () => (done += 1));
  const [atA, atB] = [record(a), record(b)];
  left.abort();
  loop.run();
  expect([atA.events, atB.events, done]).toEqual([["reset"], ["reset"], 1]);
});

test("a slow reader holds back the far writer", () => {
  const loop = new ManualLoop();
  const { a, b } = relayed(loop);
  a.attach({ onData: noop, onEnd: noop, onWritable: noop, onClose: noop });
  record(b);
  b.pause();
  let taken = 0;
  while (a.write(new Uint8Array(16_384)) && taken < 100) {
    taken += 1;
    loop.run();
  }
  expect(taken).toBeGreaterThan(0);
  expect(taken).toBeLessThan(20);
});

describe("a relay that is taken up again", () => {
  function restarting() {
    const loop = new ManualLoop();
    const [a, left] = memoryPair({ defer: loop.defer, maxChunkBytes: 2 });
    const [right, b] = memoryPair({ defer: loop.defer });
    const flows = { toB: new Flow(), toA: new Flow() };
    const ends: CloseReason[][] = [];
    const done = (x: CloseReason, y: CloseReason): void => void ends.push([x, y]);
    let relay: Pump = pump(left, right, flows, done);
    const again = (): void => {
      const from = relay.snapshot();
      const over = closedStream(left.local, left.remote);
      const streams = { a: from.a.closed === null ? left : over, b: from.b.closed === null ? right : over };
      relay = restorePump(streams, structuredClone(from), flows, done);
    };
    return { loop, a, b, flows, ends, again };
  }

  test("goes on between any two events and ends as it would have", () => {
    const { loop, a, b, flows, ends, again } = restarting();
    const [atA, atB] = [record(a), record(b)];
    const steps = [
      () => void a.write(Uint8Array.of(1, 2, 3)),
      () => a.end(),
      () => void b.write(Uint8Array.of(4)),
      () => b.end(),
    ];
    for (const step of steps) {
      step();
      again();
      loop.run();
      again();
    }
    expect([atA.got, atA.events, atB.got, atB.events]).toEqual([[4], ["end", "ended"], [1, 2, 3], ["end", "ended"]]);
    expect(flows).toEqual({ toB: { bytes: 3, chunks: 2 }, toA: { bytes: 1, chunks: 1 } });
    expect(ends).toEqual([[{ t: "ended" }, { t: "ended" }]]);
  });

  test("knows that one stream is over while the other still flushes", () => {
    const { loop, a, b, ends, again } = restarting();
    const atB = record(b);
    record(a);
    b.pause();
    a.write(Uint8Array.of(1, 2, 3));
    a.end();
    loop.run();
    a.abort();
    loop.run();
    again();
    b.resume();
    loop.run();
    expect([atB.got, atB.events]).toEqual([[1, 2, 3], ["end"]]);
    b.write(Uint8Array.of(9));
    loop.run();
    expect([atB.events, ends.length]).toEqual([["end", "reset"], 1]);
  });
});
