import type { WindowSnapshot } from "./snapshot.ts";

/**
 * One receive window of ours. Credit is given back in lots of a quarter of the window: rare enough to cost nothing, early enough
 * that a sender at full speed never waits for it.
 */
export class ReceiveWindow {
  readonly #lot: number;
  #open: number;
  #consumed = 0;

  /** @param open what the peer may send before any credit */
  constructor(open: number) {
    this.#open = open;
    this.#lot = open >>> 2;
  }

  snapshot(): WindowSnapshot {
    return { open: this.#open, consumed: this.#consumed };
  }

  restore(from: WindowSnapshot): void {
    this.#open = from.open;
    this.#consumed = from.consumed;
  }

  /** A frame of this flow-controlled length arrived. @returns false when the peer overran the window */
  take(bytes: number): boolean {
    this.#open -= bytes;
    return this.#open >= 0;
  }

  /** These bytes left our buffers. @returns the increment to announce now, 0 for none yet */
  consume(bytes: number): number {
    this.#consumed += bytes;
    if (this.#consumed < this.#lot) return 0;
    const increment = this.#consumed;
    this.#consumed = 0;
    this.#open += increment;
    return increment;
  }
}
