import { part } from "./byte-queue.ts";
import { ErrorCode, FRAME_HEAD_BYTES, Flag } from "./constants.ts";
import type { ReaderSnapshot } from "./snapshot.ts";

/** What to do with the payload of the frame whose head was just read. */
export const Take = { Stop: 0, Data: 1, Gather: 2, Skip: 3 } as const;
export type Take = (typeof Take)[keyof typeof Take];

/** What the reader finds. A method that returns false (or `Take.Stop`) ends reading for good. */
export interface FrameSink {
  /** A frame's head is in the reader's fields. Limits are to be checked here, before anything is kept. */
  onFrameHead(head: FrameReader): Take;
  /** Part of a DATA frame's content, as it lies in the chunk that was pushed. */
  onDataBytes(view: Uint8Array): boolean;
  /** The DATA frame is over, padding included. */
  onDataDone(): boolean;
  /** A gathered payload, whole; valid during the call. */
  onFrame(payload: Uint8Array): boolean;
  /** The frame breaks the framing rules. */
  onMalformed(code: number, why: string): void;
}

const Mode = { Head: 0, PadLength: 1, Data: 2, Padding: 3, Gather: 4, Skip: 5, Stopped: 6 } as const;
type Mode = (typeof Mode)[keyof typeof Mode];

const EMPTY = new Uint8Array(0);

/**
 * Cuts a byte stream into frames, whatever its chunks. DATA is passed through as views, piece by piece; frames the sink wants
 * whole are passed as a view when they arrive in one chunk and gathered otherwise; the rest is skipped without being kept.
 * @see RFC 9113 section 4
 */
export class FrameReader {
  /** Head of the current frame. */
  length = 0;
  type = 0;
  flags = 0;
  streamId = 0;
  #mode: Mode = Mode.Head;
  #left = 0;
  #padding = 0;
  #have = 0;
  #part: Uint8Array = EMPTY;
  readonly #head = new Uint8Array(FRAME_HEAD_BYTES);

  /** @returns false once the sink has stopped it; later calls do nothing */
  push(bytes: Uint8Array, sink: FrameSink): boolean {
    let at = 0;
    while (at < bytes.length && this.#mode !== Mode.Stopped) {
      at = this.#mode === Mode.Head ? this.#pushHead(bytes, at, sink) : this.#pushPayload(bytes, at, sink);
    }
    return this.#mode !== Mode.Stopped;
  }

  /** Where it stands, with the bytes of the frame that it holds. */
  snapshot(): ReaderSnapshot {
    const held = this.#mode === Mode.Head ? this.#head : this.#part;
    return {
      mode: this.#mode,
      length: this.length,
      type: this.type,
      flags: this.flags,
      streamId: this.streamId,
      left: this.#left,
      padding: this.#padding,
      held: held.slice(0, this.#have),
    };
  }

  restore(from: ReaderSnapshot): void {
    this.#mode = from.mode as Mode;
    this.length = from.length;
    this.type = from.type;
    this.flags = from.flags;
    this.streamId = from.streamId;
    this.#left = from.left;
    this.#padding = from.padding;
    this.#have = from.held.length;
    if (this.#mode === Mode.Head) this.#head.set(from.held);
    else this.#part = from.held.slice();
  }

  stop(): void {
    this.#mode = Mode.Stopped;
    this.#part = EMPTY;
  }

  #pushHead(bytes: Uint8Array, at: number, sink: FrameSink): number {
    let end = at + FRAME_HEAD_BYTES;
    if (this.#have === 0 && end <= bytes.length) this.#parseHead(bytes, at);
    else {
      end = Math.min(at + FRAME_HEAD_BYTES - this.#have, bytes.length);
      this.#head.set(bytes.subarray(at, end), this.#have);
      this.#have += end - at;
      if (this.#have < FRAME_HEAD_BYTES) return end;
      this.#have = 0;
      this.#parseHead(this.#head, 0);
    }
    this.#begin(sink.onFrameHead(this), sink);
    return end;
  }

  #parseHead(b: Uint8Array, at: number): void {
    // nine bytes from `at` are there: the callers checked
    this.length = (b[at]! << 16) | (b[at + 1]! << 8) | b[at + 2]!;
    this.type = b[at + 3]!;
    this.flags = b[at + 4]!;
    this.streamId = ((b[at + 5]! & 0x7f) << 24) | (b[at + 6]! << 16) | (b[at + 7]! << 8) | b[at + 8]!;
  }

  #begin(take: Take, sink: FrameSink): void {
    this.#left = this.length;
    this.#padding = 0;
    if (take === Take.Stop) this.stop();
    else if (take === Take.Data) {
      if ((this.flags & Flag.Padded) === 0) this.#mode = Mode.Data;
      else if (this.length > 0) this.#mode = Mode.PadLength;
      else this.#malformed(sink, "padded DATA without a pad length");
      if (this.length === 0 && this.#mode === Mode.Data) this.#finishData(sink);
    } else if (take === Take.Gather) {
      this.#mode = Mode.Gather;
      if (this.length === 0) this.#finishGather(EMPTY, sink);
    } else this.#mode = this.length === 0 ? Mode.Head : Mode.Skip;
  }

  #pushPayload(bytes: Uint8Array, at: number, sink: FrameSink): number {
    if (this.#mode === Mode.PadLength) {
      this.#startPadded(bytes[at]!, sink); // `push` proved that `at` is in range
      return at + 1;
    }
    const end = Math.min(at + this.#left, bytes.length);
    this.#left -= end - at;
    if (this.#mode === Mode.Data) {
      const view = at === 0 && end === bytes.length ? bytes : part(bytes, at, end);
      if (!sink.onDataBytes(view)) this.stop();
      else if (this.#left === 0) this.#dataRead(sink);
    } else if (this.#mode === Mode.Gather) {
      this.#gather(part(bytes, at, end), sink);
    } else if (this.#left === 0) {
      if (this.#mode === Mode.Padding) this.#finishData(sink);
      else this.#mode = Mode.Head;
    }
    return end;
  }

  #startPadded(padLength: number, sink: FrameSink): void {
    const content = this.length - 1 - padLength;
    if (content < 0) {
      this.#malformed(sink, "DATA padding longer than its payload");
      return;
    }
    this.#padding = padLength;
    this.#left = content;
    this.#mode = Mode.Data;
    if (content === 0) this.#dataRead(sink);
  }

  /** The content of a DATA frame is through; its padding may follow. */
  #dataRead(sink: FrameSink): void {
    if (this.#mode === Mode.Stopped) return;
    if (this.#padding === 0) {
      this.#finishData(sink);
      return;
    }
    this.#left = this.#padding;
    this.#mode = Mode.Padding;
  }

  #finishData(sink: FrameSink): void {
    this.#mode = Mode.Head;
    if (!sink.onDataDone()) this.stop();
  }

  #gather(view: Uint8Array, sink: FrameSink): void {
    if (this.#left === 0 && this.#have === 0) {
      this.#finishGather(view, sink);
      return;
    }
    const need = this.#have + view.length;
    if (this.#part.length < need) {
      const grown = new Uint8Array(Math.min(this.length, Math.max(need, 2 * this.#part.length)));
      grown.set(this.#part.subarray(0, this.#have));
      this.#part = grown;
    }
    this.#part.set(view, this.#have);
    this.#have = need;
    if (this.#left > 0) return;
    const whole = this.#part.subarray(0, need);
    this.#part = EMPTY;
    this.#have = 0;
    this.#finishGather(whole, sink);
  }

  #finishGather(payload: Uint8Array, sink: FrameSink): void {
    this.#mode = Mode.Head;
    if (!sink.onFrame(payload)) this.stop();
  }

  #malformed(sink: FrameSink, why: string): void {
    this.stop();
    sink.onMalformed(ErrorCode.ProtocolError, why);
  }
}
