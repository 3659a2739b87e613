import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameType } from "./constants.ts";
import { FrameReader, type FrameSink, Take } from "./frame-reader.ts";
import {
  frame,
  goawayFrame,
  headersFrames,
  pingFrame,
  resetFrame,
  settingsFrame,
  windowUpdateFrame,
} from "./frame-writer.ts";
import { joinBytes, readFrames } from "./wire.suite.ts";

/** What a reader saw, with DATA pieces joined, so that different splits compare equal. */
class Log implements FrameSink {
  readonly frames: string[] = [];
  readonly reader = new FrameReader();
  #data: number[] = [];
  onFrameHead(h: FrameReader): Take {
    this.frames.push(`head ${h.type} ${h.flags} ${h.streamId} ${h.length}`);
    return h.type === FrameType.Data ? Take.Data : h.type > 0x9 ? Take.Skip : Take.Gather;
  }
  onDataBytes(view: Uint8Array): boolean {
    for (const byte of view) this.#data.push(byte);
    return true;
  }
  onDataDone(): boolean {
    this.frames.push(`data ${this.#data.join()}`);
    this.#data = [];
    return true;
  }
  onFrame(payload: Uint8Array): boolean {
    this.frames.push(`frame ${payload.join()}`);
    return true;
  }
  onMalformed(code: number, why: string): void {
    this.frames.push(`malformed ${code} ${why}`);
  }
}

function read(bytes: Uint8Array, cuts: readonly number[]): readonly string[] {
  const log = new Log();
  const at = [0, ...[...cuts].map((c) => c % (bytes.length + 1)).sort((x, y) => x - y), bytes.length];
  for (let i = 1; i < at.length; i++) log.reader.push(bytes.slice(at[i - 1], at[i]), log);
  return log.frames;
}

const anyFrame = fc
  .tuple(
    fc.integer({ min: 0, max: 12 }),
    fc.integer({ min: 0, max: 255 }),
    fc.nat(0x7fff_ffff),
    fc.uint8Array({ maxLength: 60 }),
  )
  .map(([type, flags, id, payload]) => frame(type, type === FrameType.Data ? flags & ~8 : flags, id, payload));
const paddedData = fc
  .tuple(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 0, max: 255 }), fc.nat(1))
  .map(([content, pad, end]) =>
    frame(FrameType.Data, 8 | end, 1, joinBytes(Uint8Array.of(pad), content, new Uint8Array(pad))),
  );

test("any split of the bytes reads the same", () =>
  fc.assert(
    fc.property(
      fc.array(fc.oneof(anyFrame, paddedData), { maxLength: 8 }),
      fc.array(fc.nat(2000), { maxLength: 12 }),
      (frames, cuts) => {
        const bytes = joinBytes(...frames);
        expect(read(bytes, cuts)).toEqual(read(bytes, []));
      },
    ),
  ));

test("one byte at a time reads the same", () => {
  const bytes = joinBytes(
    settingsFrame([[4, 70_000]]),
    frame(0, 9, 3, Uint8Array.of(2, 7, 8, 0, 0)),
    pingFrame(new Uint8Array(8), "ack"),
  );
  const all = Array.from({ length: bytes.length }, (_, i) => i);
  expect(read(bytes, all)).toEqual(read(bytes, []));
});

test("arbitrary bytes never throw", () =>
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.array(fc.nat(400), { maxLength: 5 }),
      (bytes, cuts) => void read(bytes, cuts),
    ),
  ));

const malformed: readonly (readonly [string, Uint8Array])[] = [
  ["padding longer than the payload", frame(0, 8, 1, Uint8Array.of(5, 1, 2, 3, 4))],
  ["padding without its length", frame(0, 8, 1, new Uint8Array(0))],
];
for (const [what, bytes] of malformed)
  test(`refuses DATA with ${what}`, () => expect(read(bytes, []).at(-1)).toMatch(/^malformed 1 /));

test("DATA is lent as it lies in the chunk, without a copy", () => {
  const chunk = joinBytes(frame(0, 0, 1, Uint8Array.of(1, 2, 3)), frame(0, 0, 1, Uint8Array.of(4)));
  const views: Uint8Array[] = [];
  const log = new Log();
  log.onDataBytes = (view) => views.push(view) > 0;
  log.reader.push(chunk, log);
  expect(views.every((v) => v.buffer === chunk.buffer)).toBe(true);
  expect(views.map((v) => [...v])).toEqual([[1, 2, 3], [4]]);
});

test("the reserved bit of a stream id is ignored", () => {
  const bytes = resetFrame(5, 8);
  bytes[5] = bytes[5]! | 0x80;
  expect(readFrames(bytes)[0]?.streamId).toBe(5);
});

test("a header block longer than a frame goes on in CONTINUATION", () => {
  const block = Uint8Array.from({ length: 40_000 }, (_, i) => i);
  const frames = readFrames(headersFrames(7, joinBytes(new Uint8Array(9), block), "end-stream", 16_384));
  expect(frames.map((f) => [f.type, f.flags, f.payload.length])).toEqual([
    [1, 1, 16_384],
    [9, 0, 16_384],
    [9, 4, 7232],
  ]);
  expect(joinBytes(...frames.map((f) => f.payload))).toEqual(block);
});

test("numbers of 31 and 32 bits are written whole", () => {
  expect([...windowUpdateFrame(0x7fff_ffff, 0x7fff_ffff)]).toEqual([
    0, 0, 4, 8, 0, 127, 255, 255, 255, 127, 255, 255, 255,
  ]);
  expect([...goawayFrame(0x7fff_ffff, 0xffff_ffff, "a").subarray(9)]).toEqual([
    127, 255, 255, 255, 255, 255, 255, 255, 97,
  ]);
});
