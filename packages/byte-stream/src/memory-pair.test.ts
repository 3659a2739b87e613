import { describe, expect, test } from "vitest";
import { ManualLoop, memoryPair } from "./memory-pair.ts";
import { byteStreamSuite } from "./suite.ts";

for (const maxChunkBytes of [1 << 30, 1000]) {
  byteStreamSuite({ describe, test }, `memory, chunks of at most ${maxChunkBytes}`, () => {
    const [a, b] = memoryPair({ maxChunkBytes });
    return {
      a,
      b,
      close: () => {
        a.abort();
        b.abort();
      },
    };
  });
}

test("a lent view is overwritten once onData has returned", () => {
  const loop = new ManualLoop();
  const [a, b] = memoryPair({ defer: loop.defer });
  let kept = new Uint8Array(0);
  b.attach({ onData: (bytes) => (kept = bytes as Uint8Array<ArrayBuffer>), onEnd() {}, onWritable() {}, onClose() {} });
  const mine = Uint8Array.of(1, 2, 3);
  a.write(mine);
  loop.run();
  expect(kept).toEqual(Uint8Array.of(0xdb, 0xdb, 0xdb));
  expect(mine).toEqual(Uint8Array.of(1, 2, 3));
});

test("a manual loop that never settles says so", () => {
  const loop = new ManualLoop();
  const again = (): void => loop.defer(again);
  again();
  expect(() => loop.run(10)).toThrow("still busy after 10 steps");
});
