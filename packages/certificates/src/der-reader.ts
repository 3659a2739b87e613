/** Thrown inside this package only; every public parser turns it into a BAD_INPUT result. */
export class DerError extends Error {}

export const Tag = {
  Boolean: 0x01,
  Integer: 0x02,
  BitString: 0x03,
  OctetString: 0x04,
  Null: 0x05,
  Oid: 0x06,
  Utf8String: 0x0c,
  Sequence: 0x30,
  Set: 0x31,
  UtcTime: 0x17,
  GeneralizedTime: 0x18,
} as const;

/** Context-specific tags: `[n]` around other elements, and `[n]` in place of a primitive one. */
export const constructed = (n: number): number => 0xa0 | n;
export const primitive = (n: number): number => 0x80 | n;

const MAX_OID_BYTES = 64;

/**
 * A cursor over the elements of one DER value. Strict: definite, minimal lengths that fit the enclosing element, single-byte
 * tags. Byte arrays that it hands out alias the input.
 */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get atEnd(): boolean {
    return this.#at >= this.#end;
  }

  /** The tag of the next element, -1 at the end. */
  peek(): number {
    return this.#at < this.#end ? (this.#bytes[this.#at] ?? -1) : -1;
  }

  /** A reader of the contents of the next element, which must have this tag. */
  enter(tag: number): DerReader {
    const start = this.#header(tag);
    return new DerReader(this.#bytes, start, this.#at);
  }

  enterIf(tag: number): DerReader | null {
    return this.peek() === tag ? this.enter(tag) : null;
  }

  /** The contents of the next element, which must have this tag. */
  content(tag: number): Uint8Array {
    const start = this.#header(tag);
    return this.#bytes.subarray(start, this.#at);
  }

  /** The next element whole: tag, length and contents. */
  element(tag = this.peek()): Uint8Array {
    const from = this.#at;
    this.#header(tag);
    return this.#bytes.subarray(from, this.#at);
  }

  /** Everything up to the end, without looking at it. */
  rest(): Uint8Array {
    const from = this.#at;
    this.#at = this.#end;
    return this.#bytes.subarray(from, this.#end);
  }

  boolean(): boolean {
    const [value, ...more] = this.content(Tag.Boolean);
    if (more.length > 0 || (value !== 0 && value !== 0xff)) throw new DerError("a BOOLEAN is malformed");
    return value === 0xff;
  }

  /** The bytes of an INTEGER, two's complement, minimal. */
  integer(): Uint8Array {
    const bytes = this.content(Tag.Integer);
    const first = bytes[0] ?? -1;
    const second = bytes[1] ?? -1;
    if (first < 0) throw new DerError("an INTEGER is empty");
    if (bytes.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)))
      throw new DerError("an INTEGER is not minimal");
    return bytes;
  }

  /** A non-negative INTEGER below 2^31. */
  smallInteger(): number {
    const bytes = this.integer();
    if (bytes.length > 4 || bytes[0]! >= 0x80) throw new DerError("an INTEGER is out of range"); // `integer` has refused the empty
    return bytes.reduce((n, b) => n * 256 + b, 0);
  }

  /** The bytes of a BIT STRING that is a whole number of bytes long. */
  bitString(): Uint8Array {
    const bytes = this.content(Tag.BitString);
    if (bytes[0] !== 0) throw new DerError("a BIT STRING is not a whole number of bytes");
    return bytes.subarray(1);
  }

  /** An OBJECT IDENTIFIER in dotted form. */
  oid(): string {
    return oidText(this.content(Tag.Oid));
  }

  /** Asserts that nothing follows. */
  done(what: string): void {
    if (this.#at !== this.#end) throw new DerError(`bytes follow the ${what}`);
  }

  /** Moves past the next element and returns where its contents start. */
  #header(tag: number): number {
    const found = this.peek();
    if (found < 0) throw new DerError("an element is missing");
    if (found !== tag) throw new DerError(`tag 0x${found.toString(16)} stands where 0x${tag.toString(16)} belongs`);
    if ((found & 0x1f) === 0x1f) throw new DerError("a tag is longer than one byte");
    const [length, start] = this.#length(this.#at + 1);
    if (length > this.#end - start) throw new DerError("an element is longer than what holds it");
    this.#at = start + length;
    return start;
  }

  #length(at: number): readonly [length: number, next: number] {
    const first = at < this.#end ? (this.#bytes[at] ?? -1) : -1;
    if (first < 0) throw new DerError("a length is missing");
    if (first < 0x80) return [first, at + 1];
    const count = first & 0x7f;
    if (count === 0 || count > 4 || count > this.#end - at - 1) throw new DerError("a length is malformed");
    let length = 0;
    for (let i = 1; i <= count; i++) length = length * 256 + (this.#bytes[at + i] ?? 0);
    if (length < 0x80 || length < 256 ** (count - 1)) throw new DerError("a length is not minimal");
    return [length, at + 1 + count];
  }
}

function oidText(bytes: Uint8Array): string {
  if (bytes.length === 0 || bytes.length > MAX_OID_BYTES) throw new DerError("an OBJECT IDENTIFIER has a bad length");
  const arcs: number[] = [];
  let arc = 0;
  let fresh = true;
  for (const b of bytes) {
    if (fresh && b === 0x80) throw new DerError("an OBJECT IDENTIFIER is not minimal");
    arc = arc * 128 + (b & 0x7f);
    if (!Number.isSafeInteger(arc)) throw new DerError("an OBJECT IDENTIFIER is out of range");
    fresh = b < 0x80;
    if (!fresh) continue;
    if (arcs.length === 0) {
      const first = Math.min(2, Math.floor(arc / 40));
      arcs.push(first, arc - first * 40);
    } else arcs.push(arc);
    arc = 0;
  }
  if (!fresh) throw new DerError("an OBJECT IDENTIFIER is cut off");
  return arcs.join(".");
}
