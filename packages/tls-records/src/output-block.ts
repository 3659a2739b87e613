import { Code, MeshError } from "@lateen/errors";
import { putBytes } from "./copy.ts";
import { type Block, HEADER_BYTES, MAX_CONTENT, OVERHEAD, SEALED_RECORD_BYTES } from "./record-format.ts";

/** Kept free at the end of a block, so that key updates and an alert always find room. */
export const CONTROL_ROOM = 128;

/** Bytes of memory that hold this many full records. */
export function outputBytes(records: number): number {
  return records * SEALED_RECORD_BYTES + CONTROL_ROOM;
}

/**
 * Sealed records waiting to be sent together, and behind them the content of a record that is still open. Belongs to one
 * connection from its first `write` until it was sent; one connection after the other may use it.
 */
export class OutputBlock<M extends Block> {
  readonly memory: M;
  /** Sealed bytes, from 0: what `send` may take. */
  used = 0;
  /** Content bytes of the open record, which lie behind its header at `used`. */
  open = 0;
  readonly #limit: number;

  constructor(memory: M) {
    if (memory.bytes.length < outputBytes(1))
      throw new MeshError(Code.Bug, "Cannot seal records: the output memory does not hold one");
    this.memory = memory;
    this.#limit = memory.bytes.length - CONTROL_ROOM;
  }

  /** Content that the open record, or else a new one, can take. Never positive when there is no room for a record. */
  get room(): number {
    return Math.min(MAX_CONTENT, this.#limit - this.used - OVERHEAD) - this.open;
  }

  /** Adds content to the open record; the caller has asked for `room`. */
  append(bytes: Uint8Array, from: number, to: number): void {
    const part = from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to);
    putBytes(this.memory.bytes, this.used + HEADER_BYTES + this.open, part);
    this.open += part.length;
  }

  /** After everything was sent. */
  clear(): void {
    this.used = 0;
    this.open = 0;
  }
}
