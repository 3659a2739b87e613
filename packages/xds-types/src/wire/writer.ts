const utf8 = new TextEncoder();

/** Writes protobuf wire data into a buffer that grows. Tags are passed whole (`field << 3 | wire type`). */
export class Writer {
  #bytes = new Uint8Array(256);
  #at = 0;

  /** What was written; the writer must not be used afterwards. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  uint32(tag: number, value: number): void {
    this.#varint(tag);
    this.#varint(value >>> 0);
  }

  /** Negative numbers take ten bytes, as protobuf has it. */
  int32(tag: number, value: number): void {
    this.int64(tag, value | 0);
  }

  int64(tag: number, value: number): void {
    this.#varint(tag);
    if (value >= 0) return this.#varint(value);
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 0x7fn; rest >>= 7n) this.#byte(Number(rest & 0x7fn) | 0x80);
    this.#byte(Number(rest));
  }

  bool(tag: number, value: boolean): void {
    this.#varint(tag);
    this.#byte(value ? 1 : 0);
  }

  double(tag: number, value: number): void {
    this.#varint(tag);
    this.#room(8);
    new DataView(this.#bytes.buffer).setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  string(tag: number, value: string): void {
    this.bytes(tag, utf8.encode(value));
  }

  bytes(tag: number, value: Uint8Array): void {
    this.#varint(tag);
    this.#varint(value.length);
    this.#room(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  packed(tag: number, values: readonly number[]): void {
    const start = this.begin(tag);
    for (const value of values) this.#varint(value >>> 0);
    this.end(start);
  }

  /** Starts a length-delimited part. @returns what `end` needs */
  begin(tag: number): number {
    this.#varint(tag);
    this.#byte(0);
    return this.#at;
  }

  /** Ends the part: its length is put before it, moving it only when that takes more than one byte. */
  end(start: number): void {
    const size = this.#at - start;
    let extra = 0;
    for (let rest = size; rest > 0x7f; rest = Math.floor(rest / 128)) extra++;
    if (extra > 0) {
      this.#room(extra);
      this.#bytes.copyWithin(start + extra, start, this.#at);
    }
    this.#at = start - 1;
    this.#varint(size);
    this.#at += size;
  }

  #byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = value;
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.#byte((rest % 128) | 0x80);
    this.#byte(rest);
  }

  #room(size: number): void {
    if (this.#at + size <= this.#bytes.length) return;
    const bigger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + size));
    bigger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = bigger;
  }
}
