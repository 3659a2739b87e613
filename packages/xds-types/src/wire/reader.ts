/** Deepest nesting of messages. Ours need eight; a `Struct` from a stranger may hold anything. */
const MAX_DEPTH = 64;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads protobuf wire data. Never throws: the first fault is kept in `fault`, after which everything reads as empty and
 * every loop ends. Byte fields are views of the input.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  #view: DataView | null = null;
  #at = 0;
  #end: number;
  #depth = 0;
  #fault: string | null = null;

  constructor(bytes: Uint8Array) {
    // A plain view: a subclass (Node's Buffer) would leak into every byte field.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.length;
  }

  /** What is wrong with the input, and where; null: nothing so far. */
  get fault(): string | null {
    return this.#fault;
  }

  /** Whether the current message or packed list has more. */
  get more(): boolean {
    return this.#at < this.#end;
  }

  /** The next tag of the current message; 0 at its end or after a fault. */
  tag(): number {
    if (this.#at >= this.#end) return 0;
    const tag = this.uint32();
    if (this.#fault === null && tag >>> 3 === 0) return this.#fail("field number 0");
    return tag;
  }

  uint32(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    return this.#fail("varint longer than ten bytes");
  }

  int32(): number {
    return this.uint32() | 0;
  }

  bool(): boolean {
    return this.int64() !== 0;
  }

  /** A 64-bit integer; one beyond 2^53 is a fault. */
  int64(): number {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        const signed = BigInt.asIntN(64, value);
        const number = Number(signed);
        return Number.isSafeInteger(number) ? number : this.#fail("integer beyond 2^53");
      }
    }
    return this.#fail("varint longer than ten bytes");
  }

  double(): number {
    const at = this.#take(8);
    if (at < 0) return 0;
    this.#view ??= new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
    return this.#view.getFloat64(at, true);
  }

  bytes(): Uint8Array {
    const size = this.uint32();
    const at = this.#take(size);
    return at < 0 ? new Uint8Array(0) : this.#bytes.subarray(at, at + size);
  }

  string(): string {
    const raw = this.bytes();
    if (raw.length === 0) return "";
    try {
      return utf8.decode(raw);
    } catch {
      // The only way this decoder throws is text that is not UTF-8.
      this.#fail("text that is not UTF-8");
      return "";
    }
  }

  /** Reads a length-delimited part with `read`, which sees that part only. */
  message<T>(read: (r: Reader) => T): T {
    const size = this.uint32();
    const at = this.#take(size);
    const outer = this.#end;
    if (++this.#depth > MAX_DEPTH) this.#fail(`messages nested deeper than ${MAX_DEPTH}`);
    else if (at >= 0) [this.#at, this.#end] = [at, at + size];
    const value = read(this);
    this.#depth--;
    if (this.#fault === null) [this.#at, this.#end] = [at + size, outer];
    return value;
  }

  /** Passes over a field nobody knows. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        for (let i = 0; i < 10; i++) if (this.#byte() < 0x80) return;
        this.#fail("varint longer than ten bytes");
        return;
      case 1:
        this.#take(8);
        return;
      case 2:
        this.#take(this.uint32());
        return;
      case 5:
        this.#take(4);
        return;
      default:
        this.#fail(`wire type ${tag & 7}`);
    }
  }

  #byte(): number {
    if (this.#at >= this.#end) return this.#fail("truncated");
    return this.#bytes[this.#at++]!;
  }

  /** The start of the next `size` bytes, or -1. The length is checked before anything is made of it. */
  #take(size: number): number {
    if (size > this.#end - this.#at) {
      this.#fail("truncated");
      return -1;
    }
    const at = this.#at;
    this.#at += size;
    return at;
  }

  #fail(what: string): 0 {
    this.#fault ??= `${what} at byte ${this.#at}`;
    this.#at = this.#end = 0;
    return 0;
  }
}
