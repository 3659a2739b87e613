import { Buffer } from "node:buffer";
import { Code, MeshError } from "@lateen/errors";
import { native } from "./native.ts";

/**
 * Bytes whose address C may be given: allocated once, never moved by the collector, and alive for as long as the object is
 * referenced. Hot calls take `(memory, at, length)` and compute the address, which costs half of passing a view.
 */
export class Memory {
  readonly bytes: Buffer;
  /** What `bytes` is a view of, and from where on: to ask the view for it is a call into the runtime. */
  readonly buffer: ArrayBufferLike;
  readonly offset: number;
  readonly length: number;
  /** Of the first byte. Only for calls of this package, after `checkRange`. */
  readonly address: number;

  /** @param size bytes to allocate, not cleared; or a buffer of fixed size to use, which is never transferred or detached */
  constructor(size: number | Buffer) {
    this.bytes = typeof size === "number" ? Buffer.allocUnsafeSlow(size) : size;
    this.buffer = this.bytes.buffer;
    this.offset = this.bytes.byteOffset;
    this.length = this.bytes.length;
    this.address = native().addressOf(this.bytes);
  }
}

/** The guard before every call that takes part of a `Memory`. @throws MeshError BUG when the range is not inside it */
export function checkRange(memory: Memory, at: number, length: number): void {
  // One chain, false for NaN, fractions, text, big and negative numbers alike.
  if (!(Number.isInteger(at) && Number.isInteger(length) && at >= 0 && length >= 0 && at + length <= memory.length))
    throw new MeshError(
      Code.Bug,
      `Cannot call C: ${String(length)} bytes at ${String(at)} of a memory of ${memory.length}`,
    );
}
