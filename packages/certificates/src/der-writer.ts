import { Tag, constructed } from "./der-reader.ts";

/** One element: tag, minimal length, then the parts one after the other. */
export function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((n, p) => n + p.length, 0);
  const head = lengthBytes(length);
  const out = new Uint8Array(1 + head.length + length);
  out[0] = tag;
  out.set(head, 1);
  let at = 1 + head.length;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return element(Tag.Sequence, ...parts);
}

export function explicit(n: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return element(constructed(n), ...parts);
}

/** A non-negative INTEGER from its big-endian bytes. */
export function unsignedInteger(bytes: Uint8Array): Uint8Array {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === 0) at += 1;
  const trimmed = bytes.subarray(at);
  const sign = (trimmed[0] ?? 0) >= 0x80 || trimmed.length === 0 ? Uint8Array.of(0) : new Uint8Array(0);
  return element(Tag.Integer, sign, trimmed);
}

export function smallInteger(n: number): Uint8Array {
  return unsignedInteger(Uint8Array.of((n >>> 24) & 0xff, (n >>> 16) & 0xff, (n >>> 8) & 0xff, n & 0xff));
}

export function octetString(bytes: Uint8Array): Uint8Array {
  return element(Tag.OctetString, bytes);
}

export function bitString(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return element(Tag.BitString, Uint8Array.of(unusedBits), bytes);
}

export function boolean(value: boolean): Uint8Array {
  return element(Tag.Boolean, Uint8Array.of(value ? 0xff : 0));
}

export function utf8String(text: string): Uint8Array {
  return element(Tag.Utf8String, new TextEncoder().encode(text));
}

export function oid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap(base128);
  return element(Tag.Oid, Uint8Array.from(bytes));
}

/** UTCTime through 2049, GeneralizedTime from 2050 on, whole seconds (RFC 5280 4.1.2.5). */
export function time(ms: number): Uint8Array {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  const short = digits >= "1950" && digits < "2050";
  const text = new TextEncoder().encode(short ? digits.slice(2) : digits);
  return element(short ? Tag.UtcTime : Tag.GeneralizedTime, text);
}

function base128(arc: number): readonly number[] {
  const out = [arc % 128];
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) out.unshift(0x80 | (rest % 128));
  return out;
}

function lengthBytes(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Uint8Array.of(0x80 | bytes.length, ...bytes);
}
