import { Buffer } from "node:buffer";
import type { Segment } from "./packets.ts";

const HEADER = 5;
/** 2^14 of plaintext and 256 of what protects it. */
const MAX_RECORD = 16_384 + 256;

/**
 * Reads one direction of a TCP connection from its first byte, and holds every byte of it to be part of a TLS record. It begins
 * at the SYN: without one it cannot tell where records begin, and says so by `walked`.
 */
export class TlsWalk {
  #next: number | null = null;
  #left = 0;
  #header = Buffer.alloc(0);
  records = 0;

  /** Whether the whole direction was read until now. */
  get walked(): boolean {
    return this.#next !== null;
  }

  /** @returns what is wrong with the segment, null when nothing is */
  take(s: Segment): string | null {
    if (s.syn) {
      this.#next = (s.sequence + 1) >>> 0;
      return null;
    }
    if (this.#next === null || s.payload.length === 0) return null;
    const skip = (this.#next - s.sequence) | 0; // repeated bytes, below 0 for a gap
    if (skip < 0) {
      this.#next = null;
      return null;
    }
    if (skip >= s.payload.length) return null;
    const fresh = s.payload.subarray(skip);
    this.#next = (this.#next + fresh.length) >>> 0;
    return this.#records(fresh);
  }

  #records(bytes: Buffer): string | null {
    let at = 0;
    while (at < bytes.length) {
      if (this.#left > 0) {
        const n = Math.min(this.#left, bytes.length - at);
        this.#left -= n;
        at += n;
        continue;
      }
      const n = Math.min(HEADER - this.#header.length, bytes.length - at);
      this.#header = Buffer.concat([this.#header, bytes.subarray(at, at + n)]);
      at += n;
      if (this.#header.length < HEADER) break;
      const [type, major, minor] = this.#header;
      const length = this.#header.readUInt16BE(3);
      if (type! < 20 || type! > 23 || major !== 3 || minor! > 4 || length > MAX_RECORD)
        return `no TLS record: ${this.#header.toString("hex")} ${JSON.stringify(bytes.subarray(at, at + 40).toString("latin1"))}`;
      this.#left = length;
      this.#header = Buffer.alloc(0);
      this.records += 1;
    }
    return null;
  }
}
