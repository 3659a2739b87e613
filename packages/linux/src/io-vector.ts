import { Code, MeshError } from "@lateen/errors";
import { checkBytes, checkFd } from "./checks.ts";
import { hotCalls } from "./hot-calls.ts";
import { Memory, checkRange } from "./memory.ts";
import { native } from "./native.ts";
import { EINTR } from "./system-error.ts";

/** `struct msghdr`: where it points to the vector, and the count. */
const HEADER_BYTES = 64;
const IOV_AT = 16;
const COUNT_AT = 24;
const ENTRY_BYTES = 16;
const WORDS = 4;
const TWO_32 = 0x1_0000_0000;

/**
 * Pieces of memory that leave in one system call, in order. Keeps what it points to alive until `clear`; the pieces must not
 * change before `send`.
 */
export class IoVector {
  readonly #native = native();
  readonly #memory: Memory;
  readonly #words: Int32Array;
  readonly #max: number;
  #count = 0;
  /** What each piece lies in, to keep it alive, and where. Longer than `#count`: arrays that grow and shrink cost a call each. */
  readonly #within: (Uint8Array | null)[] = [];
  readonly #at: number[] = [];
  readonly #lengths: number[] = [];
  /** Address behind the last piece: what begins there joins it. */
  #end = -1;
  #views = 0;
  /** Bytes of all pieces together. */
  bytes = 0;

  /** @param max pieces, 1 to 1024 */
  constructor(max: number) {
    if (!(Number.isInteger(max) && max >= 1 && max <= 1024))
      throw new MeshError(Code.Bug, `Cannot make a vector of ${max} pieces`);
    this.#max = max;
    this.#memory = new Memory(HEADER_BYTES + ENTRY_BYTES * max);
    this.#memory.bytes.fill(0);
    this.#memory.bytes.writeBigUInt64LE(BigInt(this.#memory.address + HEADER_BYTES), IOV_AT);
    const { buffer, byteOffset } = this.#memory.bytes;
    this.#words = new Int32Array(buffer, byteOffset, this.#memory.length / 4);
  }

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count === this.#max;
  }

  /** Adds a piece of a memory. @throws MeshError BUG when it is not inside, or the vector is full */
  add(memory: Memory, at: number, length: number): void {
    checkRange(memory, at, length);
    this.#push(memory.address + at, length, memory.bytes, at);
  }

  /**
   * Adds a view of memory that the runtime holds. Its address is asked for, which costs more than `add` and less than copying
   * two kilobytes. The view must not be detached before `send`, which checks.
   */
  addView(view: Uint8Array): void {
    checkBytes("piece", view);
    if (view.byteLength === 0) return;
    this.#views += 1;
    this.#push(this.#native.addressOf(view), view.byteLength, view, 0);
  }

  #push(address: number, length: number, within: Uint8Array, at: number): void {
    if (length === 0) return;
    const last = this.#count - 1;
    this.bytes += length;
    // Neighbours in one memory join; neighbours by chance in two do not, for the first alone would be kept alive.
    if (address === this.#end && this.#within[last] === within) this.#grow(last, length);
    else this.#append(address, length, within, at);
    this.#end = address + length;
  }

  #grow(last: number, by: number): void {
    const length = this.#lengths[last]! + by; // `last` is an index: there is a piece that ends here
    this.#lengths[last] = length;
    this.#putLength(last, length);
  }

  #append(address: number, length: number, within: Uint8Array, at: number): void {
    const i = this.#count;
    if (i === this.#max) throw new MeshError(Code.Bug, `Cannot add a piece: the vector of ${this.#max} is full`);
    const word = HEADER_BYTES / 4 + i * WORDS;
    this.#words[word] = address | 0;
    this.#words[word + 1] = (address / TWO_32) | 0;
    this.#putLength(i, length);
    this.#within[i] = within;
    this.#at[i] = at;
    this.#lengths[i] = length;
    this.#count = i + 1;
  }

  #putLength(i: number, length: number): void {
    const word = HEADER_BYTES / 4 + i * WORDS + 2;
    this.#words[word] = length | 0;
    this.#words[word + 1] = (length / TWO_32) | 0;
  }

  /** @returns bytes taken by the kernel, or -errno. Never a signal */
  send(fd: number): number {
    checkFd(fd);
    const count = this.#count;
    if (count === 0) return 0;
    if (this.#views > 0) this.#checkViews();
    const calls = hotCalls();
    this.#words[COUNT_AT / 4] = count;
    for (;;) {
      const n =
        count === 1
          ? calls.send(fd, this.#end - this.#lengths[0]!, this.#lengths[0]!)
          : calls.sendmsg(fd, this.#memory.address);
      if (n >= 0) return n;
      const errno = this.#native.errno();
      if (errno !== EINTR) return -errno;
    }
  }

  #checkViews(): void {
    for (let i = 0; i < this.#count; i++)
      if (this.#within[i]!.byteLength < this.#at[i]! + this.#lengths[i]!)
        throw new MeshError(Code.Bug, "Cannot send: a view was detached or shrank");
  }

  /** Hands out what lies behind the first `skip` bytes, piece by piece; the views are those that were added. */
  rest(skip: number, take: (piece: Uint8Array) => void): void {
    let left = skip;
    for (let i = 0; i < this.#count; i++) {
      const length = this.#lengths[i]!; // one of each per piece
      const at = this.#at[i]!;
      if (left < length) take(this.#within[i]!.subarray(at + left, at + length));
      left = Math.max(0, left - length);
    }
  }

  clear(): void {
    for (let i = 0; i < this.#count; i++) this.#within[i] = null;
    this.#count = 0;
    this.#end = -1;
    this.#views = 0;
    this.bytes = 0;
  }
}
