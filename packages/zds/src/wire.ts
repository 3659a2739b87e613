import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** One field of a protobuf message. `bytes` aliases the input and is empty unless the wire type is 2. */
export interface Field {
  readonly number: number;
  readonly wireType: number;
  /** Value of a varint, of huge ones the low 32 bits; 0 for the other types. */
  readonly varint: number;
  readonly bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);
const MAX_GROUP_DEPTH = 16;

const bad = (why: string): { readonly ok: false; readonly error: MeshError } =>
  fail(new MeshError(Code.BadInput, `Cannot decode message: ${why}`));

class Cursor {
  readonly bytes: Uint8Array;
  at = 0;
  /** Whether the last varint was 2^49 or more: then only its low 32 bits were returned. */
  huge = false;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** The next varint; -1 when it is cut short or longer than ten bytes. */
  varint(): number {
    let value = 0;
    let scale = 1;
    this.huge = false;
    for (let i = 0; i < 10; i++) {
      const b = this.bytes[this.at];
      if (b === undefined) return -1;
      this.at++;
      if (i < 7) value += (b & 0x7f) * scale;
      else if ((b & 0x7f) !== 0) this.huge = true;
      scale *= 128;
      if (b < 0x80) return this.huge ? value % 0x1_0000_0000 : value;
    }
    return -1;
  }

  /** A varint that counts something: -1 when it is absurd, too. */
  count(): number {
    const n = this.varint();
    return this.huge ? -1 : n;
  }

  take(length: number): Uint8Array | null {
    if (length < 0 || length > this.bytes.length - this.at) return null;
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

/** Skips fields until the end of group `number`. @returns why not, or null */
function skipGroup(c: Cursor, number: number, depth: number): string | null {
  if (depth > MAX_GROUP_DEPTH) return "groups nest too deep";
  for (;;) {
    const tag = c.count();
    if (tag < 8 || tag > 0xffff_ffff) return "a group does not end";
    if (tag % 8 === 4) return Math.floor(tag / 8) === number ? null : "a group ends that did not begin";
    const field = body(c, Math.floor(tag / 8), tag % 8, depth + 1);
    if (!field.ok) return field.error;
  }
}

function body(c: Cursor, number: number, wireType: number, depth: number): Result<Field, string> {
  switch (wireType) {
    case 0: {
      const varint = c.varint();
      return varint < 0 ? fail("a varint is cut short or too long") : ok({ number, wireType, varint, bytes: NO_BYTES });
    }
    case 1:
    case 5:
      if (c.take(wireType === 1 ? 8 : 4) === null) return fail("a fixed-size field is cut short");
      return ok({ number, wireType, varint: 0, bytes: NO_BYTES });
    case 2: {
      const bytes = c.take(c.count());
      return bytes === null ? fail("a field is longer than the message") : ok({ number, wireType, varint: 0, bytes });
    }
    case 3: {
      const why = skipGroup(c, number, depth);
      return why === null ? ok({ number, wireType, varint: 0, bytes: NO_BYTES }) : fail(why);
    }
    default:
      return fail(`wire type ${wireType} does not exist`);
  }
}

/** Splits a message into its fields, in wire order. Never throws. */
export function decodeFields(bytes: Uint8Array): Result<readonly Field[]> {
  const fields: Field[] = [];
  const c = new Cursor(bytes);
  while (c.at < bytes.length) {
    const tag = c.count();
    if (tag < 8 || tag > 0xffff_ffff) return bad("a field number is missing or out of range");
    const field = body(c, Math.floor(tag / 8), tag % 8, 0);
    if (!field.ok) return bad(field.error);
    fields.push(field.value);
  }
  return ok(fields);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The last string of a field number, "" when absent. */
export function stringField(fields: readonly Field[], number: number, name: string): Result<string> {
  let last: Uint8Array = NO_BYTES;
  for (const f of fields) {
    if (f.number !== number) continue;
    if (f.wireType !== 2) return bad(`${name} has wire type ${f.wireType}`);
    last = f.bytes;
  }
  try {
    return ok(utf8.decode(last));
  } catch {
    return bad(`${name} is not UTF-8`); // the decoder tells no more than that
  }
}

/** Joins the occurrences of an embedded message, which is how protobuf merges them. `null` when absent. */
export function messageField(fields: readonly Field[], number: number, name: string): Result<Uint8Array | null> {
  const parts: Uint8Array[] = [];
  for (const f of fields) {
    if (f.number !== number) continue;
    if (f.wireType !== 2) return bad(`${name} has wire type ${f.wireType}`);
    parts.push(f.bytes);
  }
  if (parts.length <= 1) return ok(parts[0] ?? null);
  return ok(concat(parts));
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

function varintBytes(value: number): number[] {
  const out: number[] = [];
  let rest = value >>> 0;
  for (; rest > 0x7f; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  out.push(rest);
  return out;
}

/** An embedded message or bytes; written even when empty. */
export function bytesOf(number: number, bytes: Uint8Array): Uint8Array {
  return concat([Uint8Array.from([...varintBytes(number * 8 + 2), ...varintBytes(bytes.length)]), bytes]);
}

const encoder = new TextEncoder();
/** A string; the default "" is not written. */
export function stringOf(number: number, text: string): Uint8Array {
  return text === "" ? NO_BYTES : bytesOf(number, encoder.encode(text));
}

/** An unsigned number or enum below 2^32; the default 0 is not written. */
export function varintOf(number: number, value: number): Uint8Array {
  return value === 0 ? NO_BYTES : Uint8Array.from([...varintBytes(number * 8), ...varintBytes(value)]);
}
