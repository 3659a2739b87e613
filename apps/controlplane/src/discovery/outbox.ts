/** A response on its way to one client. */
export interface Departure {
  readonly bytes: number;
  /** Hands it to the transport, which calls back when it has left. */
  send(left: () => void): void;
}

/**
 * What lies in the transport's buffers because clients have not read it, over all clients together, has a bound: beyond it
 * responses wait as what they are made of, which is shared. One response may always leave.
 */
export class Outbox {
  readonly #maxBytes: number;
  readonly #waiting = new Set<Departure>();
  readonly #leaving = new Map<Departure, number>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }
  get waiting(): number {
    return this.#waiting.size;
  }

  /** @returns gives it up: it does not leave any more, or is not waited for */
  put(departure: Departure): Disposable {
    this.#waiting.add(departure);
    this.#next();
    return {
      [Symbol.dispose]: () => {
        this.#waiting.delete(departure);
        this.#left(departure);
      },
    };
  }

  #next(): void {
    for (const departure of this.#waiting) {
      if (this.#leaving.size > 0 && this.#bytes + departure.bytes > this.#maxBytes) return;
      this.#waiting.delete(departure);
      this.#leaving.set(departure, departure.bytes);
      this.#bytes += departure.bytes;
      departure.send(() => this.#left(departure));
    }
  }

  #left(departure: Departure): void {
    const bytes = this.#leaving.get(departure);
    if (bytes === undefined) return;
    this.#leaving.delete(departure);
    this.#bytes -= bytes;
    this.#next();
  }
}
