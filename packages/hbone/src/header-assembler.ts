import { Flag, FrameType, MAX_CONTINUATIONS, MAX_HEADER_BLOCK } from "./constants.ts";
import { ErrorCode } from "./constants.ts";
import type { FrameReader } from "./frame-reader.ts";

export interface BlockError {
  readonly code: number;
  readonly why: string;
}

/** Most that a HEADERS payload holds beside its block: pad length, priority, padding. */
const HEADERS_EXTRA = 1 + 5 + 255;

/** Joins HEADERS and CONTINUATION payloads, within bounds checked before anything is kept. @see RFC 9113 section 6.10 */
export class HeaderAssembler {
  /** Stream whose block is open, 0 for none. */
  streamId = 0;
  endStream = false;
  /** A priority that depends on its own stream was seen. */
  selfDependent = false;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #continuations = 0;

  /** Judges the head of a HEADERS or CONTINUATION frame. */
  headProblem(head: FrameReader): BlockError | null {
    if (head.type === FrameType.Continuation) {
      if (this.streamId === 0 || head.streamId !== this.streamId)
        return protocol("CONTINUATION without an open header block");
      if (this.#continuations >= MAX_CONTINUATIONS) return calm("too many CONTINUATION frames");
    } else if (head.streamId === 0) return protocol("HEADERS on stream 0");
    const limit = MAX_HEADER_BLOCK - this.#bytes + (head.type === FrameType.Headers ? HEADERS_EXTRA : 0);
    return head.length > limit ? calm("header block too large") : null;
  }

  /** @returns the whole block when this was its last frame, null when more must follow */
  add(head: FrameReader, payload: Uint8Array): Uint8Array | BlockError | null {
    let block: Uint8Array | BlockError = payload;
    if (head.type === FrameType.Headers) {
      this.endStream = (head.flags & Flag.EndStream) !== 0;
      block = this.#strip(head, payload);
      if (!(block instanceof Uint8Array)) return block;
      this.streamId = head.streamId;
    } else this.#continuations += 1;
    if ((head.flags & Flag.EndHeaders) === 0) {
      this.#parts.push(block.slice()); // the payload is lent
      this.#bytes += block.length;
      return null;
    }
    const whole = this.#parts.length === 0 ? block : join(this.#parts, block);
    this.#parts = [];
    this.#bytes = 0;
    this.#continuations = 0;
    this.streamId = 0;
    return whole;
  }

  /** Takes padding and priority off a HEADERS payload. */
  #strip(head: FrameReader, payload: Uint8Array): Uint8Array | BlockError {
    const padded = (head.flags & Flag.Padded) !== 0;
    const prioritised = (head.flags & Flag.Priority) !== 0;
    const start = (padded ? 1 : 0) + (prioritised ? 5 : 0);
    const end = payload.length - (padded ? (payload[0] ?? 0) : 0);
    if (end < start) return protocol("HEADERS padding longer than its payload");
    this.selfDependent = prioritised && dependsOn(payload, padded ? 1 : 0) === head.streamId;
    return payload.subarray(start, end);
  }
}

/** Stream that a priority names. The caller checked that five bytes follow `at`. */
export function dependsOn(b: Uint8Array, at: number): number {
  return ((b[at]! & 0x7f) << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!;
}

function join(parts: readonly Uint8Array[], last: Uint8Array): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, last.length));
  let at = 0;
  for (const part of [...parts, last]) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const protocol = (why: string): BlockError => ({ code: ErrorCode.ProtocolError, why });
const calm = (why: string): BlockError => ({ code: ErrorCode.EnhanceYourCalm, why });
