import { Memory, sendFrom } from "@lateen/linux";
import { EAGAIN } from "./errno.ts";

/** Sizes of blocks, small first: a few bytes that wait must not hold a big one. */
const SIZES = [4096, 32_768, 262_144] as const;
/** Free blocks kept of each size. */
const KEPT = [256, 64, 8] as const;

/** Blocks for bytes that wait, shared by the sockets of one loop. */
export class BlockPool {
  readonly #free: readonly Memory[][] = SIZES.map(() => []);

  /** A block for at least `bytes`, or the largest there is. */
  take(bytes: number): Memory {
    let i = 0;
    while (i < SIZES.length - 1 && SIZES[i]! < bytes) i += 1;
    return this.#free[i]!.pop() ?? new Memory(SIZES[i]!); // `i` is an index of both
  }

  /** Forgets the free ones. */
  clear(): void {
    for (const free of this.#free) free.length = 0;
  }

  give(block: Memory): void {
    const i = SIZES.findIndex((size) => size === block.length);
    const free = this.#free[i];
    if (free !== undefined && free.length < KEPT[i]!) free.push(block);
  }
}

interface Piece {
  readonly block: Memory;
  from: number;
  to: number;
}

/** Bytes of one socket that the kernel would not take, copied, in order. Its user bounds it. */
export class OutQueue {
  bytes = 0;
  readonly #pool: BlockPool;
  readonly #pieces: Piece[] = [];

  constructor(pool: BlockPool) {
    this.#pool = pool;
  }

  push(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    let at = 0;
    while (at < bytes.length) {
      const piece = this.#room(bytes.length - at);
      const part = Math.min(bytes.length - at, piece.block.length - piece.to);
      piece.block.bytes.set(at === 0 && part === bytes.length ? bytes : bytes.subarray(at, at + part), piece.to);
      piece.to += part;
      at += part;
    }
  }

  #room(bytes: number): Piece {
    const last = this.#pieces[this.#pieces.length - 1];
    if (last !== undefined && last.to < last.block.length) return last;
    const piece = { block: this.#pool.take(bytes), from: 0, to: 0 };
    this.#pieces.push(piece);
    return piece;
  }

  /** Sends what the kernel takes. @returns 0 when that was all it would take now or nothing is left, else -errno */
  send(fd: number): number {
    for (let piece = this.#pieces[0]; piece !== undefined; piece = this.#pieces[0]) {
      const n = sendFrom(fd, piece.block, piece.from, piece.to - piece.from);
      if (n < 0) return n === -EAGAIN ? 0 : n;
      piece.from += n;
      this.bytes -= n;
      if (piece.from < piece.to) continue; // the next call says that the kernel is full
      this.#pieces.shift(); // few: writers are told to wait
      this.#pool.give(piece.block);
    }
    return 0;
  }

  /** What waits, as one copy. */
  copy(): Uint8Array {
    const all = new Uint8Array(this.bytes);
    let at = 0;
    for (const { block, from, to } of this.#pieces) {
      all.set(block.bytes.subarray(from, to), at);
      at += to - from;
    }
    return all;
  }

  clear(): void {
    for (const { block } of this.#pieces) this.#pool.give(block);
    this.#pieces.length = 0;
    this.bytes = 0;
  }
}
