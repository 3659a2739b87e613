import { Code, MeshError } from "@lateen/errors";
import { FLOAT64, MAX_DEPTH, Major, SIMPLE_FALSE, SIMPLE_NULL, SIMPLE_TRUE } from "./format.ts";

const START_BYTES = 4096;
/** One writer's memory is kept for the next, unless it has grown beyond this. */
const MAX_KEPT_BYTES = 65_536;
const utf8 = new TextEncoder();
const bug = (what: string): MeshError => new MeshError(Code.Bug, `Cannot encode plain data: ${what}`);

class Writer {
  #out = new Uint8Array(START_BYTES);
  #view = new DataView(this.#out.buffer);
  #at = 0;

  get worthKeeping(): boolean {
    return this.#out.length <= MAX_KEPT_BYTES;
  }

  /** Room for as many bytes more. @returns where they begin */
  #take(bytes: number): number {
    const at = this.#at;
    const need = at + bytes;
    if (need > this.#out.length) {
      const grown = new Uint8Array(Math.max(need, 2 * this.#out.length));
      grown.set(this.#out.subarray(0, at));
      this.#out.fill(0, 0, at);
      this.#out = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#at = need;
    return at;
  }

  byte(value: number): void {
    const at = this.#take(1);
    this.#out[at] = value;
  }

  head(major: number, value: number): void {
    if (value < 24) return this.byte((major << 5) | value);
    const size = value <= 0xff ? 0 : value <= 0xffff ? 1 : value <= 0xffff_ffff ? 2 : 3;
    this.byte((major << 5) | (24 + size));
    const at = this.#take(1 << size);
    if (size === 0) this.#view.setUint8(at, value);
    else if (size === 1) this.#view.setUint16(at, value);
    else if (size === 2) this.#view.setUint32(at, value);
    else {
      this.#view.setUint32(at, Math.floor(value / 2 ** 32));
      this.#view.setUint32(at + 4, value % 2 ** 32);
    }
  }

  number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0))
      return value >= 0 ? this.head(Major.Unsigned, value) : this.head(Major.Negative, -1 - value);
    this.byte(FLOAT64);
    const at = this.#take(8);
    this.#view.setFloat64(at, value);
  }

  bytes(major: number, value: Uint8Array): void {
    this.head(major, value.length);
    const at = this.#take(value.length);
    this.#out.set(value, at);
  }

  /** Most texts are ASCII and short, where asking the encoder costs more than the text. */
  text(value: string): void {
    const { length } = value;
    const before = this.#at;
    this.head(Major.Text, length);
    const at = this.#take(length);
    const out = this.#out;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit < 0x80) out[at + i] = unit;
      else {
        this.#at = before;
        return this.bytes(Major.Text, utf8.encode(value));
      }
    }
  }

  /** A copy of what was written; the writer begins anew, and keeps nothing of it: keys of connections go through here. */
  done(): Uint8Array {
    const written = this.#out.slice(0, this.#at);
    this.#out.fill(0, 0, this.#at);
    this.#at = 0;
    return written;
  }
}

let spare: Writer | null = null;

function write(w: Writer, value: unknown, depth: number): void {
  if (depth > MAX_DEPTH) throw bug(`it is nested deeper than ${MAX_DEPTH}`);
  if (value === null) w.byte(SIMPLE_NULL);
  else if (typeof value === "boolean") w.byte(value ? SIMPLE_TRUE : SIMPLE_FALSE);
  else if (typeof value === "number") w.number(value);
  else if (typeof value === "string") w.text(value);
  else if (value instanceof Uint8Array) w.bytes(Major.Bytes, value);
  else if (Array.isArray(value)) {
    w.head(Major.List, value.length);
    for (const item of value) write(w, item, depth + 1);
  } else if (typeof value === "object") writeRecord(w, value, depth);
  else throw bug(`a ${typeof value} is in it`);
}

function writeRecord(w: Writer, value: object, depth: number): void {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw bug("an object of a class is in it");
  const keys = Object.keys(value);
  w.head(Major.Record, keys.length);
  for (const key of keys) {
    w.text(key);
    write(w, (value as Readonly<Record<string, unknown>>)[key], depth + 1);
  }
}

/**
 * Plain data (null, booleans, numbers, text, `Uint8Array`, arrays, records of these) as bytes. Equal values with keys in the same
 * order give equal bytes.
 * @returns bytes that are the caller's
 * @throws MeshError BUG when anything else is in it, `undefined` included, or when it is nested deeper than 32
 * @see RFC 8949
 */
export function encodeCbor(value: unknown): Uint8Array {
  const w = spare ?? new Writer();
  spare = null; // what throws half-way is not used again
  write(w, value, 0);
  const bytes = w.done();
  if (w.worthKeeping) spare = w;
  return bytes;
}
