import { Memory } from "@lateen/linux";

const BLOCK_BYTES = 65_536;
/** Blocks kept for the next batch. */
const KEPT = 4;

/** Memory for bytes that are not opened where they were received. What was given is not given again before `reset`. */
export class Scratch {
  readonly #blocks: Memory[] = [];
  #index = 0;
  /** Used of the block at `#index`. */
  #used = 0;
  /** Where in its memory that begins which was given last. */
  at = 0;
  /** Given since `reset`. */
  bytes = 0;

  /** A memory with room for so many bytes from `at` on. */
  take(bytes: number): Memory {
    const open = this.#blocks[this.#index];
    if (open !== undefined && this.#used + bytes > open.length) {
      this.#index += 1;
      this.#used = 0;
    }
    let block = this.#blocks[this.#index];
    if (block === undefined || block.length < bytes)
      block = this.#blocks[this.#index] = new Memory(Math.max(BLOCK_BYTES, bytes));
    this.at = this.#used;
    this.#used += bytes;
    this.bytes += bytes;
    return block;
  }

  /** Nobody uses what was given any more. */
  reset(): void {
    if (this.bytes === 0) return;
    this.#index = 0;
    this.#used = 0;
    this.bytes = 0;
    if (this.#blocks.length > KEPT) this.#blocks.length = KEPT;
    for (let i = this.#blocks.length - 1; i >= 0; i--)
      if (this.#blocks[i]!.length > BLOCK_BYTES) this.#blocks.splice(i, 1);
  }

  /** Lets go of the memory that is kept. */
  release(): void {
    if (this.bytes === 0) this.#blocks.length = 0;
  }
}
