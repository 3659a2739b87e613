import { FRAME_HEAD_BYTES, Flag, FrameType } from "./constants.ts";

const SLAB_BYTES = 2304; // 256 frame heads
/** A head joined with at most this many bytes of payload is cheaper than two views. */
const JOIN_BYTES = 256;

interface Head {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
}

/** Writes a frame head at `at`. The caller guarantees nine bytes there. */
function putHead(b: Uint8Array, at: number, h: Head): void {
  b[at] = h.length >>> 16;
  b[at + 1] = h.length >>> 8;
  b[at + 2] = h.length;
  b[at + 3] = h.type;
  b[at + 4] = h.flags;
  putU32(b, at + 5, h.streamId);
}

export function putU32(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 24;
  b[at + 1] = value >>> 16;
  b[at + 2] = value >>> 8;
  b[at + 3] = value;
}

export function getU32(b: Uint8Array, at: number): number {
  return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0; // callers check the length
}

/** Frame heads for DATA. Slices are handed out once and never written again, so they may wait in a carrier's queue. */
export class HeadSlab {
  #slab: Uint8Array = new Uint8Array(0);
  /** The slab's: to ask it each time is a call into the runtime. */
  #buffer = this.#slab.buffer;
  #used = 0;

  /** The head of a DATA frame; with `joined`, followed by those first bytes of its payload. */
  data(length: number, flags: number, streamId: number, joined: Uint8Array | null): Uint8Array {
    const bytes = FRAME_HEAD_BYTES + (joined === null ? 0 : joined.length);
    if (this.#used + bytes > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#buffer = this.#slab.buffer;
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += bytes;
    putHead(this.#slab, at, { length, type: FrameType.Data, flags, streamId });
    if (joined !== null) this.#slab.set(joined, at + FRAME_HEAD_BYTES);
    return new Uint8Array(this.#buffer, at, bytes);
  }

  static joins(bytes: number): boolean {
    return bytes <= JOIN_BYTES;
  }
}

/** One frame of its own. */
export function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(FRAME_HEAD_BYTES + payload.length);
  putHead(out, 0, { length: payload.length, type, flags, streamId });
  out.set(payload, FRAME_HEAD_BYTES);
  return out;
}

/**
 * A header block as HEADERS and as many CONTINUATIONs as the peer's frame size asks for, in one piece.
 * @param headed the block behind room for a frame head, which is written there when one frame holds it
 */
export function headersFrames(
  streamId: number,
  headed: Uint8Array,
  end: "end-stream" | "open",
  maxFrame: number,
): Uint8Array {
  const length = headed.length - FRAME_HEAD_BYTES;
  if (length > maxFrame) return continuedFrames(streamId, headed.subarray(FRAME_HEAD_BYTES), end, maxFrame);
  const flags = Flag.EndHeaders | (end === "end-stream" ? Flag.EndStream : 0);
  putHead(headed, 0, { length, type: FrameType.Headers, flags, streamId });
  return headed;
}

function continuedFrames(
  streamId: number,
  block: Uint8Array,
  end: "end-stream" | "open",
  maxFrame: number,
): Uint8Array {
  const frames = Math.ceil(block.length / maxFrame);
  const out = new Uint8Array(block.length + frames * FRAME_HEAD_BYTES);
  for (let i = 0, at = 0; i < frames; i++) {
    const part = block.subarray(i * maxFrame, (i + 1) * maxFrame);
    const endHeaders = i === frames - 1 ? Flag.EndHeaders : 0;
    const endStream = i === 0 && end === "end-stream" ? Flag.EndStream : 0;
    const type = i === 0 ? FrameType.Headers : FrameType.Continuation;
    putHead(out, at, { length: part.length, type, flags: endHeaders | endStream, streamId });
    out.set(part, at + FRAME_HEAD_BYTES);
    at += FRAME_HEAD_BYTES + part.length;
  }
  return out;
}

export function settingsFrame(values: readonly (readonly [id: number, value: number])[]): Uint8Array {
  const payload = new Uint8Array(values.length * 6);
  for (const [i, [id, value]] of values.entries()) {
    payload[i * 6] = id >>> 8;
    payload[i * 6 + 1] = id;
    putU32(payload, i * 6 + 2, value);
  }
  return frame(FrameType.Settings, 0, 0, payload);
}

export function settingsAckFrame(): Uint8Array {
  return frame(FrameType.Settings, Flag.Ack, 0, new Uint8Array(0));
}

export function pingFrame(opaque: Uint8Array, kind: "ping" | "ack"): Uint8Array {
  return frame(FrameType.Ping, kind === "ack" ? Flag.Ack : 0, 0, opaque);
}

export function resetFrame(streamId: number, code: number): Uint8Array {
  const payload = new Uint8Array(4);
  putU32(payload, 0, code);
  return frame(FrameType.RstStream, 0, streamId, payload);
}

export function windowUpdateFrame(streamId: number, increment: number): Uint8Array {
  const payload = new Uint8Array(4);
  putU32(payload, 0, increment);
  return frame(FrameType.WindowUpdate, 0, streamId, payload);
}

/** @param debug ASCII text for the peer's log */
export function goawayFrame(lastStreamId: number, code: number, debug: string): Uint8Array {
  const payload = new Uint8Array(8 + debug.length);
  putU32(payload, 0, lastStreamId);
  putU32(payload, 4, code);
  for (let i = 0; i < debug.length; i++) payload[8 + i] = debug.charCodeAt(i) & 0x7f;
  return frame(FrameType.Goaway, 0, 0, payload);
}
