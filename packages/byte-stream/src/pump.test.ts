import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ByteStream, CloseReason } from "./byte-stream.ts";
import { ManualLoop, memoryPair } from "./memory-pair.ts";
import { Flow, pump } from "./pump.ts";

interface End {
  readonly stream: ByteStream;
  readonly got: number[];
  ended: boolean;
  closed: CloseReason | null;
}

/** left ↔ (a, pump, b) ↔ right */
function rig(highWaterBytes = 65_536): {
  left: End;
  right: End;
  a: ByteStream;
  b: ByteStream;
  loop: ManualLoop;
  flows: { toA: Flow; toB: Flow };
  done: (readonly [CloseReason, CloseReason])[];
} {
  const loop = new ManualLoop();
  const options = { defer: loop.defer, highWaterBytes };
  const [l, a] = memoryPair(options);
  const [b, r] = memoryPair(options);
  const flows = { toA: new Flow(), toB: new Flow() };
  const done: (readonly [CloseReason, CloseReason])[] = [];
  pump(a, b, flows, (x, y) => void done.push([x, y]));
  return { left: end(l), right: end(r), a, b, loop, flows, done };
}

function end(stream: ByteStream): End {
  const e: End = { stream, got: [], ended: false, closed: null };
  stream.attach({
    onData: (v) => void e.got.push(...v),
    onEnd: () => void (e.ended = true),
    onWritable() {},
    onClose: (reason) => void (e.closed = reason),
  });
  return e;
}

const bytes = (n: number): Uint8Array => new Uint8Array(n).fill(7);

describe("a relay", () => {
  test("carries both directions, and counts them", () =>
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 30 })),
        fc.array(fc.uint8Array({ maxLength: 30 })),
        fc.nat(50),
        (up, down, water) => {
          const { left, right, loop, flows } = rig(water);
          for (const w of up) left.stream.write(w);
          for (const w of down) right.stream.write(w);
          loop.run();
          expect(right.got).toEqual(up.flatMap((w) => [...w]));
          expect(left.got).toEqual(down.flatMap((w) => [...w]));
          expect([flows.toB.bytes, flows.toA.bytes]).toEqual([right.got.length, left.got.length]);
        },
      ),
    ));

  test("passes an end on while the other direction lives, and is done when both are over", () => {
    const { left, right, loop, done } = rig();
    left.stream.end();
    loop.run();
    expect([right.ended, left.ended, done]).toEqual([true, false, []]);
    right.stream.write(bytes(3));
    loop.run();
    expect(left.got.length).toBe(3);
    right.stream.end();
    loop.run();
    expect([left.closed, right.closed, done]).toEqual([
      { t: "ended" },
      { t: "ended" },
      [[{ t: "ended" }, { t: "ended" }]],
    ]);
  });

  test("passes a reset on as a reset, from either side", () => {
    for (const side of ["left", "right"] as const) {
      const r = rig();
      r[side].stream.abort();
      r.loop.run();
      expect(r[side === "left" ? "right" : "left"].closed).toEqual({ t: "reset", why: "peer aborted" });
      expect(r.done.length).toBe(1);
    }
  });

  test("is cut short by aborting one of its streams", () => {
    const { left, right, a, loop, done } = rig();
    a.abort();
    loop.run();
    expect([left.closed?.t, right.closed?.t]).toEqual(["reset", "reset"]);
    expect(done).toEqual([[{ t: "aborted" }, { t: "aborted" }]]);
  });

  test("a reader that stands still stops the writer; what is held stays bounded", () => {
    const { left, right, a, b, loop } = rig(1_000);
    right.stream.pause();
    let wrote = 0;
    for (let room = true; room && wrote < 1e6; wrote += 100) {
      room = left.stream.write(bytes(100));
      loop.run();
    }
    expect(wrote).toBeLessThan(10_000);
    expect(a.buffered + b.buffered).toBeLessThanOrEqual(1_100);
    right.stream.resume();
    loop.run();
    expect(right.got.length).toBe(wrote);
  });

  test("what was sent before a clean end arrives even when the other direction breaks afterwards", () => {
    const { left, right, loop } = rig();
    right.stream.pause();
    left.stream.write(bytes(500));
    left.stream.end();
    loop.run();
    right.stream.resume();
    loop.run();
    left.stream.abort();
    loop.run();
    expect([right.got.length, right.ended]).toEqual([500, true]);
  });
});
