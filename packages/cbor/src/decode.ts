import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { FLOAT64, MAX_DEPTH, Major, SIMPLE_FALSE, SIMPLE_NULL, SIMPLE_TRUE } from "./format.ts";

/** What `encodeCbor` takes and `decodeCbor` gives. */
export type Plain =
  null | boolean | number | string | Uint8Array | readonly Plain[] | { readonly [key: string]: Plain };

class Bad extends Error {}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Texts of at most so many bytes are looked for among those that came before: keys, and names that come again and again. */
const MAX_KNOWN_BYTES = 64;
const KNOWN = 1024;
const known: (string | undefined)[] = new Array<undefined>(KNOWN).fill(undefined);

/** Reads one value; thrown `Bad` never leaves `decodeCbor`. */
class Cursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  take(bytes: number): number {
    if (bytes > this.left) throw new Bad("it ends inside a value");
    const at = this.at;
    this.at += bytes;
    return at;
  }

  /** The number that belongs to a first byte. */
  argument(first: number): number {
    const low = first & 0x1f;
    if (low < 24) return low;
    if (low === 24) return this.view.getUint8(this.take(1));
    if (low === 25) return this.view.getUint16(this.take(2));
    if (low === 26) return this.view.getUint32(this.take(4));
    if (low !== 27) throw new Bad("lengths that are not given at the start are not taken");
    const at = this.take(8);
    const value = this.view.getUint32(at) * 2 ** 32 + this.view.getUint32(at + 4);
    if (value > Number.MAX_SAFE_INTEGER) throw new Bad("a number is too large");
    return value;
  }

  span(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  text(length: number): string {
    if (length > MAX_KNOWN_BYTES) return this.#decode(length);
    const { bytes } = this;
    const from = this.take(length);
    let hash = length;
    for (let i = from; i < from + length; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0; // `take` has proven the range
    const slot = hash & (KNOWN - 1);
    const last = known[slot];
    if (last !== undefined && this.#isAt(last, from, length)) return last;
    this.at = from;
    const made = this.#decode(length);
    known[slot] = made;
    return made;
  }

  /** Whether an ASCII text is what lies there. Of any other no byte equals its character, or it has more bytes than those. */
  #isAt(text: string, from: number, length: number): boolean {
    if (text.length !== length) return false;
    for (let i = 0; i < length; i++)
      if (text.charCodeAt(i) !== this.bytes[from + i] || this.bytes[from + i]! > 0x7f) return false;
    return true;
  }

  #decode(length: number): string {
    try {
      return utf8.decode(this.span(length));
    } catch (error) {
      if (error instanceof Bad) throw error;
      throw new Bad("a text is not UTF-8");
    }
  }

  /** How many items follow. Each takes a byte at least, so nothing is reserved for items that are not there. */
  count(declared: number, bytesEach: number): number {
    if (declared * bytesEach > this.left) throw new Bad("more items are announced than there are bytes");
    return declared;
  }

  value(depth: number): Plain {
    if (depth > MAX_DEPTH) throw new Bad(`it is nested deeper than ${MAX_DEPTH}`);
    const first = this.view.getUint8(this.take(1));
    if (first >= 0xe0) return this.simple(first);
    const argument = this.argument(first);
    switch (first >> 5) {
      case Major.Unsigned:
        return argument;
      case Major.Negative:
        return -1 - argument;
      case Major.Bytes:
        return this.span(argument);
      case Major.Text:
        return this.text(argument);
      case Major.List:
        return this.list(this.count(argument, 1), depth);
      case Major.Record:
        return this.record(this.count(argument, 2), depth);
      default:
        throw new Bad("a tagged value is in it");
    }
  }

  simple(first: number): Plain {
    if (first === SIMPLE_NULL) return null;
    if (first === SIMPLE_TRUE || first === SIMPLE_FALSE) return first === SIMPLE_TRUE;
    if (first === FLOAT64) return this.view.getFloat64(this.take(8));
    throw new Bad("an unknown simple value is in it");
  }

  list(items: number, depth: number): readonly Plain[] {
    const list: Plain[] = [];
    for (let i = 0; i < items; i++) list.push(this.value(depth + 1));
    return list;
  }

  record(fields: number, depth: number): { readonly [key: string]: Plain } {
    const record: Record<string, Plain> = {};
    for (let i = 0; i < fields; i++) {
      const key = this.value(depth + 1);
      if (typeof key !== "string") throw new Bad("a key is not a text");
      const value = this.value(depth + 1);
      if (key === "__proto__")
        Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
      else record[key] = value;
    }
    if (Object.keys(record).length !== fields) throw new Bad("a key comes twice");
    return record;
  }
}

/**
 * The value in these bytes, all of them. Byte strings in it alias `bytes`.
 * @returns BAD_INPUT when the bytes are not what `encodeCbor` writes; never throws, and takes memory in proportion to `bytes`
 */
export function decodeCbor(bytes: Uint8Array): Result<Plain> {
  const cursor = new Cursor(bytes);
  try {
    const value = cursor.value(0);
    if (cursor.left > 0) throw new Bad("bytes follow its end");
    return ok(value);
  } catch (error) {
    if (!(error instanceof Bad)) throw error;
    return fail(new MeshError(Code.BadInput, `Cannot decode plain data: ${error.message}`));
  }
}
