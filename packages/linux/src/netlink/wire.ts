import { endianness } from "node:os";

/** The kernel's own byte order: netlink headers and most attributes are in it. */
export const LITTLE_ENDIAN = endianness() === "LE";
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLM_F_REQUEST = 0x1;
export const NLM_F_MULTI = 0x2;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_ACK_TLVS = 0x200;
export const NLM_F_CAPPED = 0x100;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
export const NLM_F_DUMP = 0x300;

const HEADER = 16;
const ATTR_HEADER = 4;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
/** Attributes carry 16-bit lengths, so nothing inside one message needs more. */
const MAX_ATTR = 0xffff;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const align = (n: number): number => (n + 3) & ~3;

/**
 * Writes netlink messages one after another into one buffer that grows by need. Lengths of messages and nested attributes are
 * filled in when they end.
 */
export class NetlinkWriter {
  private buffer: Uint8Array<ArrayBuffer>;
  private view: DataView;
  private at = 0;
  private messageStart = -1;
  private readonly open: number[] = [];

  /** @param room bytes to begin with; one question has few */
  constructor(room = 256) {
    this.buffer = new Uint8Array(room);
    this.view = new DataView(this.buffer.buffer);
  }

  /** Bytes written so far; valid until the next write. */
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.at);
  }

  private reserve(n: number): number {
    const start = this.at;
    const end = start + align(n);
    if (end > this.buffer.length) {
      const bigger = new Uint8Array(Math.max(end, this.buffer.length * 2));
      bigger.set(this.buffer);
      this.buffer = bigger;
      this.view = new DataView(bigger.buffer);
    }
    this.at = end;
    return start;
  }

  /** Starts a message; its body follows by `raw` and attributes, up to `end`. */
  begin(type: number, flags: number, seq: number): void {
    this.messageStart = this.reserve(HEADER);
    this.view.setUint16(this.messageStart + 4, type, LITTLE_ENDIAN);
    this.view.setUint16(this.messageStart + 6, flags, LITTLE_ENDIAN);
    this.view.setUint32(this.messageStart + 8, seq, LITTLE_ENDIAN);
  }

  end(): void {
    this.view.setUint32(this.messageStart, this.at - this.messageStart, LITTLE_ENDIAN);
    this.messageStart = -1;
  }

  /** Bytes as they are, padded to four: family headers such as ifinfomsg. */
  raw(bytes: ArrayLike<number>): void {
    const at = this.reserve(bytes.length);
    this.buffer.set(bytes, at);
  }

  private attrHeader(type: number, size: number): number {
    if (size > MAX_ATTR - ATTR_HEADER) throw new RangeError(`Cannot encode netlink attribute ${type}: ${size} bytes`);
    const start = this.reserve(ATTR_HEADER + size);
    this.view.setUint16(start, ATTR_HEADER + size, LITTLE_ENDIAN);
    this.view.setUint16(start + 2, type, LITTLE_ENDIAN);
    return start + ATTR_HEADER;
  }

  attr(type: number, bytes: ArrayLike<number>): void {
    const at = this.attrHeader(type, bytes.length);
    this.buffer.set(bytes, at);
  }
  flag(type: number): void {
    this.attrHeader(type, 0);
  }
  u8(type: number, n: number): void {
    const at = this.attrHeader(type, 1);
    this.view.setUint8(at, n);
  }
  u16(type: number, n: number): void {
    const at = this.attrHeader(type, 2);
    this.view.setUint16(at, n, LITTLE_ENDIAN);
  }
  u32(type: number, n: number): void {
    const at = this.attrHeader(type, 4);
    this.view.setUint32(at, n, LITTLE_ENDIAN);
  }
  /** Netfilter writes its numbers in network order. */
  be32(type: number, n: number): void {
    const at = this.attrHeader(type, 4);
    this.view.setUint32(at, n);
  }
  be64(type: number, n: bigint): void {
    const at = this.attrHeader(type, 8);
    this.view.setBigUint64(at, n);
  }
  /** Text with its closing zero. */
  string(type: number, text: string): void {
    const bytes = encoder.encode(text);
    const at = this.attrHeader(type, bytes.length + 1);
    this.buffer.set(bytes, at);
  }

  nest(type: number): void {
    this.open.push(this.at);
    this.attrHeader(type | NLA_F_NESTED, 0);
  }
  endNest(): void {
    const start = this.open.pop();
    if (start === undefined) throw new RangeError("Cannot close netlink attribute: none is open");
    const size = this.at - start;
    if (size > MAX_ATTR) throw new RangeError(`Cannot encode nested netlink attribute: ${size} bytes`);
    this.view.setUint16(start, size, LITTLE_ENDIAN);
  }
}

/** One message; `body` aliases the bytes it was read from. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  readonly body: Uint8Array;
}

/** Messages of one datagram, and why reading stopped early, if it did. */
export interface DecodedMessages {
  readonly messages: readonly NetlinkMessage[];
  readonly bad: string | null;
}

export const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);

/** Splits a datagram into messages. Never throws, whatever the bytes are. */
export function decodeMessages(datagram: Uint8Array): DecodedMessages {
  const messages: NetlinkMessage[] = [];
  const view = viewOf(datagram);
  let at = 0;
  while (at < datagram.length) {
    if (datagram.length - at < HEADER) return { messages, bad: "header cut short" };
    const size = view.getUint32(at, LITTLE_ENDIAN);
    if (size < HEADER) return { messages, bad: "length below the header's" };
    if (size > datagram.length - at) return { messages, bad: "message cut short" };
    messages.push({
      type: view.getUint16(at + 4, LITTLE_ENDIAN),
      flags: view.getUint16(at + 6, LITTLE_ENDIAN),
      seq: view.getUint32(at + 8, LITTLE_ENDIAN),
      body: datagram.subarray(at + HEADER, at + size),
    });
    at += align(size);
  }
  return { messages, bad: null };
}

/**
 * Attributes by type; of one that is repeated, the last. Reading one that is absent or too short gives null, never an exception.
 * A read-back has hundreds of these lists with a handful of attributes each: nothing is copied out of one before it is asked for.
 */
export class Attributes {
  readonly #bytes: Uint8Array;
  /** Of each attribute in order, with repeats: type, start of its data, end of its data. */
  readonly #at: number[] = [];

  /** @param bytes attributes from here to the end; what cannot be one ends the reading */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    for (let at = 0; bytes.length - at >= ATTR_HEADER;) {
      const size = u16At(bytes, at);
      if (size < ATTR_HEADER || size > bytes.length - at) break;
      this.#at.push(u16At(bytes, at + 2) & NLA_TYPE_MASK, at + ATTR_HEADER, at + size);
      at += align(size);
    }
  }

  /** In order, with repeats: for lists. */
  get list(): readonly { readonly type: number; readonly data: Uint8Array }[] {
    const out: { type: number; data: Uint8Array }[] = [];
    for (let i = 0; i < this.#at.length; i += 3)
      out.push({ type: this.#at[i]!, data: this.#bytes.subarray(this.#at[i + 1], this.#at[i + 2]) });
    return out;
  }

  /** Where the attribute's data starts, -1 without one of at least so many bytes. */
  #find(type: number, atLeast: number): number {
    for (let i = this.#at.length - 3; i >= 0; i -= 3) {
      if (this.#at[i] !== type) continue;
      const start = this.#at[i + 1]!; // three numbers each
      return this.#at[i + 2]! - start < atLeast ? -1 : start;
    }
    return -1;
  }

  has(type: number): boolean {
    return this.#find(type, 0) >= 0;
  }
  bytes(type: number): Uint8Array | null {
    for (let i = this.#at.length - 3; i >= 0; i -= 3)
      if (this.#at[i] === type) return this.#bytes.subarray(this.#at[i + 1], this.#at[i + 2]);
    return null;
  }
  u8(type: number): number | null {
    const at = this.#find(type, 1);
    return at < 0 ? null : this.#bytes[at]!;
  }
  u32(type: number): number | null {
    const at = this.#find(type, 4);
    return at < 0 ? null : u32At(this.#bytes, at, LITTLE_ENDIAN);
  }
  be32(type: number): number | null {
    const at = this.#find(type, 4);
    return at < 0 ? null : u32At(this.#bytes, at, false);
  }
  be64(type: number): bigint | null {
    const b = this.bytes(type);
    return b === null || b.length < 8 ? null : viewOf(b).getBigUint64(0);
  }
  string(type: number): string | null {
    const b = this.bytes(type);
    if (b === null) return null;
    const end = b.indexOf(0);
    return text(end < 0 ? b : b.subarray(0, end));
  }
  nested(type: number): Attributes {
    return new Attributes(this.bytes(type) ?? NOTHING);
  }
}

const NOTHING = new Uint8Array(0);

/** In the kernel's own order. */
function u16At(b: Uint8Array, at: number): number {
  return LITTLE_ENDIAN ? b[at]! | (b[at + 1]! << 8) : (b[at]! << 8) | b[at + 1]!;
}

function u32At(b: Uint8Array, at: number, little: boolean): number {
  const [first, second, third, fourth] = [b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!];
  return little
    ? (first | (second << 8) | (third << 16) | (fourth << 24)) >>> 0
    : ((first << 24) | (second << 16) | (third << 8) | fourth) >>> 0;
}

/** Names are short and of ASCII, for which the decoder's start costs more than the text. */
function text(bytes: Uint8Array): string {
  let out = "";
  for (const b of bytes) {
    if (b > 0x7f) return decoder.decode(bytes);
    out += String.fromCharCode(b);
  }
  return out;
}

/** What the kernel answered to one request. `errno` 0 is success. */
export interface NetlinkAck {
  readonly errno: number;
  /** The kernel's own words, when it gave any. */
  readonly text: string | null;
}

const NLMSGERR_ATTR_MSG = 1;

/** Reads an NLMSG_ERROR (or NLMSG_DONE) message; null when it is too short to be one. */
export function decodeAck(m: NetlinkMessage): NetlinkAck | null {
  if (m.body.length < 4) return m.type === NLMSG_DONE ? { errno: 0, text: null } : null;
  const errno = 0 - viewOf(m.body).getInt32(0, LITTLE_ENDIAN);
  if ((m.flags & NLM_F_ACK_TLVS) === 0) return { errno, text: null };
  let at = 4;
  if (m.type === NLMSG_ERROR) {
    if (m.body.length < 4 + HEADER) return { errno, text: null };
    const original = viewOf(m.body).getUint32(4, LITTLE_ENDIAN);
    at = (m.flags & NLM_F_CAPPED) !== 0 ? 4 + HEADER : 4 + align(original);
  }
  return { errno, text: at > m.body.length ? null : new Attributes(m.body.subarray(at)).string(NLMSGERR_ATTR_MSG) };
}
