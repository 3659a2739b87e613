/** Small pieces are gathered into blocks of this size, so that one-byte frames cannot cost a hundred times their bytes. */
const BLOCK_BYTES = 16_384;

/** Bytes that wait, in order. Copies what it is given; bounded by its user. */
export class ByteQueue {
  bytes = 0;
  readonly #blocks: Uint8Array[] = [];
  #first = 0;
  /** Bytes used of the last block while that one is still open for more, else -1. */
  #tailUsed = -1;

  push(view: Uint8Array): void {
    this.bytes += view.length;
    const tail = this.#blocks[this.#blocks.length - 1];
    if (tail !== undefined && this.#tailUsed >= 0 && this.#tailUsed + view.length <= tail.length) {
      tail.set(view, this.#tailUsed);
      this.#tailUsed += view.length;
      return;
    }
    this.#closeTail();
    if (view.length >= BLOCK_BYTES / 4) {
      this.#blocks.push(view.slice());
      return;
    }
    const block = new Uint8Array(BLOCK_BYTES);
    block.set(view);
    this.#blocks.push(block);
    this.#tailUsed = view.length;
  }

  /** Takes the oldest piece out. */
  shift(): Uint8Array | null {
    if (this.#first === this.#blocks.length - 1) this.#closeTail();
    const block = this.#blocks[this.#first];
    if (block === undefined) return null;
    this.#first += 1;
    if (this.#first === this.#blocks.length) this.#clearBlocks();
    this.bytes -= block.length;
    return block;
  }

  /** A copy of all that waits. */
  snapshot(): Uint8Array {
    const blocks = this.#blocks.slice(this.#first);
    const tail = blocks.at(-1);
    if (tail !== undefined && this.#tailUsed >= 0) blocks[blocks.length - 1] = tail.subarray(0, this.#tailUsed);
    return joinBytes(blocks, 0);
  }

  clear(): void {
    this.#clearBlocks();
    this.bytes = 0;
  }

  #clearBlocks(): void {
    this.#blocks.length = 0;
    this.#first = 0;
    this.#tailUsed = -1;
  }

  #closeTail(): void {
    const last = this.#blocks.length - 1;
    const tail = this.#blocks[last];
    if (tail !== undefined && this.#tailUsed >= 0) this.#blocks[last] = tail.subarray(0, this.#tailUsed);
    this.#tailUsed = -1;
  }
}

/** A view of part of some bytes. Half the cost of `subarray`, which asks which kind of view is wanted. */
export function part(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from);
}

/** These pieces as one copy, without the first `skip` bytes. */
export function joinBytes(pieces: readonly Uint8Array[], skip: number): Uint8Array {
  const total = pieces.reduce((n, piece) => n + piece.length, 0);
  const out = new Uint8Array(total - skip);
  let at = 0;
  for (const [i, piece] of pieces.entries()) {
    const rest = i === 0 ? piece.subarray(skip) : piece;
    out.set(rest, at);
    at += rest.length;
  }
  return out;
}
