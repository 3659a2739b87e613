import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ByteStream, StreamHandler } from "./byte-stream.ts";
import { ManualLoop, type MemoryPairOptions, memoryPair } from "./memory-pair.ts";

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const read = (b: Uint8Array): string => new TextDecoder().decode(b);

/** Attaches a handler that notes all that happens, as text. */
function record(stream: ByteStream): string[] {
  const seen: string[] = [];
  const handler: StreamHandler = {
    onData: (b) => void seen.push(`data ${read(b)}`),
    onEnd: () => void seen.push("end"),
    onWritable: () => void seen.push("writable"),
    onClose: (reason) => void seen.push("why" in reason ? `close ${reason.t}: ${reason.why}` : `close ${reason.t}`),
  };
  stream.attach(handler);
  return seen;
}

function rig(options: MemoryPairOptions = {}): { a: ByteStream; b: ByteStream; loop: ManualLoop } {
  const loop = new ManualLoop();
  const [a, b] = memoryPair({ defer: loop.defer, ...options });
  return { a, b, loop };
}

describe("a pair in memory", () => {
  test("head and body arrive in order; nothing is called from inside a method", () => {
    const { a, b, loop } = rig();
    const seen = record(b);
    a.write(text("one"), text("two"));
    expect([seen, a.buffered]).toEqual([[], 6]);
    loop.run();
    expect([seen, a.buffered]).toEqual([["data one", "data two"], 0]);
  });

  test("what is written before the peer attaches waits for it", () => {
    const { a, b, loop } = rig();
    a.write(text("early"));
    loop.run();
    const seen = record(b);
    loop.run();
    expect(seen).toEqual(["data early"]);
  });

  test("each direction ends alone; both closes come last, once", () => {
    const { a, b, loop } = rig();
    const [atA, atB] = [record(a), record(b)];
    a.write(text("question"));
    a.end();
    a.end();
    loop.run();
    expect([atA, atB]).toEqual([[], ["data question", "end"]]);
    b.write(text("answer"));
    b.end();
    loop.run();
    expect(atA).toEqual(["data answer", "end", "close ended"]);
    expect(atB).toEqual(["data question", "end", "close ended"]);
  });

  test("bytes written after the end are dropped", () => {
    const { a, b, loop } = rig();
    const seen = record(b);
    a.end();
    expect(a.write(text("late"))).toBe(true);
    loop.run();
    expect(seen).toEqual(["end"]);
  });

  test("an abort drops what is buffered, and the peer sees a reset", () => {
    const { a, b, loop } = rig();
    const [atA, atB] = [record(a), record(b)];
    a.write(text("lost"));
    a.abort();
    a.abort();
    loop.run();
    expect([atA, atB]).toEqual([["close aborted"], ["close reset: peer aborted"]]);
    expect(a.buffered).toBe(0);
  });

  test("a paused reader gets nothing, not even the end, until it resumes", () => {
    const { a, b, loop } = rig();
    const seen = record(b);
    b.pause();
    a.write(text("x"));
    a.end();
    loop.run();
    expect(seen).toEqual([]);
    b.resume();
    loop.run();
    expect(seen).toEqual(["data x", "end"]);
  });

  test("a full stream says so, keeps the bytes, and tells when there is room", () => {
    const { a, b, loop } = rig({ highWaterBytes: 4 });
    const [atA, atB] = [record(a), record(b)];
    b.pause();
    expect([a.write(text("abc")), a.write(text("def")), a.write(text("g"))]).toEqual([true, false, false]);
    loop.run();
    expect(atA).toEqual([]);
    b.resume();
    loop.run();
    expect([atA, atB.join("")]).toEqual([["writable"], "data abcdata defdata g"]);
  });

  test("a lent view is overwritten after onData, so that keeping one is noticed", () => {
    const { a, b, loop } = rig();
    let kept = new Uint8Array();
    b.attach({ onData: (v) => void (kept = v as Uint8Array<ArrayBuffer>), onEnd() {}, onWritable() {}, onClose() {} });
    a.write(text("mine"));
    loop.run();
    expect(read(kept)).not.toBe("mine");
  });

  test("a second attach replaces the handler: an upgrade loses nothing", () => {
    const { a, b, loop } = rig({ maxChunkBytes: 1 });
    let after: string[] = [];
    b.attach({ onData: () => void (after = record(b)), onEnd() {}, onWritable() {}, onClose() {} });
    a.write(text("abc"));
    loop.run();
    expect(after).toEqual(["data b", "data c"]);
  });

  test("whatever the cuts, the bytes arrive as they were written", () =>
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 })),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(64),
        (writes, cut, water) => {
          const { a, b, loop } = rig({ maxChunkBytes: cut, highWaterBytes: water });
          const got: number[] = [];
          b.attach({
            onData: (v) => {
              expect(v.length).toBeLessThanOrEqual(cut);
              got.push(...v);
            },
            onEnd() {},
            onWritable() {},
            onClose() {},
          });
          for (const w of writes) a.write(w);
          loop.run();
          expect(got).toEqual(writes.flatMap((w) => [...w]));
        },
      ),
    ));

  test("the default runs by itself, and knows both addresses", async () => {
    const [a, b] = memoryPair({ first: { ip: "10.0.0.1", port: 5 } });
    const seen = record(b);
    a.write(text("x"));
    await Promise.resolve();
    expect(seen).toEqual(["data x"]);
    expect([a.local, a.remote, b.remote]).toEqual([{ ip: "10.0.0.1", port: 5 }, { ip: "127.0.0.1", port: 2 }, a.local]);
  });
});

test("a loop that never settles fails instead of hanging", () => {
  const loop = new ManualLoop();
  const again = (): void => loop.defer(again);
  again();
  expect(() => loop.run(100)).toThrow(/still busy after 100 steps/);
});
