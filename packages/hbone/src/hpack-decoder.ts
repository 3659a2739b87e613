import type { HeaderField } from "./api.ts";
import { DEFAULT_TABLE_BYTES } from "./constants.ts";
import { STATIC_TABLE } from "./hpack-static-table.ts";
import { decodeHuffman } from "./huffman.ts";

export type HeaderBlock =
  | { readonly t: "done"; readonly fields: readonly HeaderField[] }
  /** The block cannot be decoded; the connection's compression state is lost. */
  | { readonly t: "bad"; readonly why: string }
  /** Decoding stopped at the limit on the decoded list; the compression state is lost too. */
  | { readonly t: "too-large" };

/** Per entry, as the RFC counts. */
const ENTRY_OVERHEAD = 32;
/** No integer of a block within our limits needs more. */
const MAX_INTEGER = 0x0fff_ffff;

class Bad extends Error {}

const sizeOf = (f: HeaderField): number => f[0].length + f[1].length + ENTRY_OVERHEAD;

/** One character per byte. In steps of eight, which is several times faster than a spread call or one at a time. */
function latin1(b: Uint8Array, from: number, to: number): string {
  let text = "";
  let i = from;
  for (; i + 8 <= to; i += 8)
    // prettier-ignore
    text += String.fromCharCode(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!, b[i + 6]!, b[i + 7]!);
  for (; i < to; i++) text += String.fromCharCode(b[i]!); // the caller proved that `to` is inside
  return text;
}

/** Reads one block; thrown `Bad` never leaves `HpackDecoder.decode`. */
class Cursor {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  byte(): number {
    const b = this.bytes[this.at];
    if (b === undefined) throw new Bad("header block ends inside a field");
    this.at += 1;
    return b;
  }

  /** @see RFC 7541 section 5.1 */
  integer(first: number, prefixBits: number): number {
    const full = (1 << prefixBits) - 1;
    let value = first & full;
    if (value < full) return value;
    for (let shift = 0; ; shift += 7) {
      const b = this.byte();
      if (shift > 21) throw new Bad("integer too large");
      value += (b & 0x7f) << shift;
      if (value > MAX_INTEGER) throw new Bad("integer too large");
      if ((b & 0x80) === 0) return value;
    }
  }

  /** @see RFC 7541 section 5.2 */
  string(): string {
    const first = this.byte();
    const length = this.integer(first, 7);
    if (length > this.bytes.length - this.at) throw new Bad("string longer than its header block");
    const from = this.at;
    this.at += length;
    if ((first & 0x80) === 0) return latin1(this.bytes, from, this.at);
    const text = decodeHuffman(this.bytes.subarray(from, this.at));
    if (text === null) throw new Bad("bad Huffman code");
    return text;
  }
}

/**
 * HPACK decoder with its dynamic table. The table starts at the protocol's 4096 bytes; `setLimit(0)` once the peer has
 * acknowledged our SETTINGS makes the rest of the connection stateless.
 * @see RFC 7541
 */
export class HpackDecoder {
  readonly #table: HeaderField[] = []; // newest first; short, since the limit is 4096 bytes of entries of 32 and more
  #size = 0;
  #limit = DEFAULT_TABLE_BYTES;
  #maxSize = DEFAULT_TABLE_BYTES;

  /** Whether blocks are decoded without anything remembered of earlier ones. */
  get stateless(): boolean {
    return this.#limit === 0;
  }

  /** The table size that the peer may choose at most. Entries beyond it are dropped now. */
  setLimit(bytes: number): void {
    this.#limit = bytes;
    if (this.#maxSize > bytes) this.#resize(bytes);
  }

  /** @param maxListBytes limit on names, values and 32 bytes per field, decoded */
  decode(block: Uint8Array, maxListBytes: number): HeaderBlock {
    const cursor = new Cursor(block);
    const fields: HeaderField[] = [];
    let listBytes = 0;
    try {
      while (cursor.at < block.length) {
        const field = this.#field(cursor, fields.length === 0);
        if (field === null) continue;
        listBytes += sizeOf(field);
        if (listBytes > maxListBytes) return { t: "too-large" };
        fields.push(field);
      }
    } catch (error) {
      if (error instanceof Bad) return { t: "bad", why: error.message };
      throw error;
    }
    return { t: "done", fields };
  }

  /** @returns null for a table size update, which may stand only before the first field */
  #field(c: Cursor, first: boolean): HeaderField | null {
    const b = c.byte();
    if ((b & 0x80) !== 0) return this.#lookUp(c.integer(b, 7));
    if ((b & 0xe0) === 0x20) {
      if (!first) throw new Bad("table size update after a field");
      const size = c.integer(b, 5);
      if (size > this.#limit) throw new Bad("table size update over the limit");
      this.#resize(size);
      return null;
    }
    const indexed = (b & 0x40) !== 0;
    const nameIndex = c.integer(b, indexed ? 6 : 4);
    const field: HeaderField = [nameIndex === 0 ? c.string() : this.#lookUp(nameIndex)[0], c.string()];
    if (indexed) this.#insert(field);
    return field;
  }

  #lookUp(index: number): HeaderField {
    const field = index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.#table[index - STATIC_TABLE.length - 1];
    if (field === undefined) throw new Bad("index outside the tables");
    return field;
  }

  #insert(field: HeaderField): void {
    const size = sizeOf(field);
    this.#evict(this.#maxSize - size);
    if (size > this.#maxSize) return; // larger than the table: it only empties it
    this.#table.unshift(field);
    this.#size += size;
  }

  #resize(bytes: number): void {
    this.#maxSize = bytes;
    this.#evict(bytes);
  }

  #evict(room: number): void {
    while (this.#size > Math.max(0, room)) {
      const last = this.#table.pop();
      if (last === undefined) return;
      this.#size -= sizeOf(last);
    }
  }
}
