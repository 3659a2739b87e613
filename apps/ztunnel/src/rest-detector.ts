/** CPU milliseconds since the last collection that leave something worth collecting. */
const BUSY_MS = 250;
/** A second with less CPU than this, of all threads together, is a quiet one. */
const QUIET_MS = 25;
/** So many quiet ones in a row are rest. */
const QUIET_LOOKS = 2;
/** Looks between one collection and the next, however short the rests in between. */
const MIN_DISTANCE = 15;

/**
 * Says when a process has come to rest after it was busy: then, and only then, a pause for collecting garbage delays nobody. To be
 * asked once a second.
 */
export class RestDetector {
  #lastMs = 0;
  #collectedMs = 0;
  #quiet = 0;
  #sinceCollection = MIN_DISTANCE;

  /** @param cpuMs CPU time of the process so far, all threads */
  look(cpuMs: number): boolean {
    this.#quiet = cpuMs - this.#lastMs < QUIET_MS ? this.#quiet + 1 : 0;
    this.#lastMs = cpuMs;
    this.#sinceCollection += 1;
    const due = this.#sinceCollection >= MIN_DISTANCE && cpuMs - this.#collectedMs >= BUSY_MS;
    return due && this.quiet;
  }

  /** Whether it is at rest now, whatever came before. */
  get quiet(): boolean {
    return this.#quiet >= QUIET_LOOKS;
  }

  /** A collection is over; its own cost is no reason for another. */
  collected(cpuMs: number): void {
    this.#collectedMs = cpuMs;
    this.#lastMs = cpuMs;
    this.#sinceCollection = 0;
    this.#quiet = 0;
  }
}
