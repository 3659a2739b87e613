/** Log lines that one thread sends per second; a peer that provokes more of them fills no queue. */
export const MAX_LINES_PER_TICK = 10_000;

/** Lets a bounded number of log lines pass between two ticks and counts the rest. */
export class LineBudget {
  readonly #send: (line: string) => void;
  readonly #max: number;
  #sent = 0;
  #dropped = 0;

  constructor(send: (line: string) => void, max = MAX_LINES_PER_TICK) {
    this.#send = send;
    this.#max = max;
  }

  write(line: string): void {
    if (this.#sent >= this.#max) this.#dropped += 1;
    else {
      this.#sent += 1;
      this.#send(line);
    }
  }

  /** Begins the next interval. @returns how many lines the last one dropped */
  tick(): number {
    const dropped = this.#dropped;
    this.#sent = 0;
    this.#dropped = 0;
    return dropped;
  }
}
