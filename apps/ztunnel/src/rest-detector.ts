/** CPU milliseconds since the last collection that leave something worth collecting. */
const BUSY_MS = 250;
/** A second with less CPU than this, of all threads together, is a quiet one. */
const QUIET_MS = 25;
/** A look that comes this much too late says that others keep us from running: little CPU is no sign of rest then. */
const LATE_MS = 100;
/** So many quiet ones in a row are rest. */
const QUIET_LOOKS = 2;
/** Looks between one collection and the next, however short the rests in between. */
const MIN_DISTANCE = 15;
/** Looks from a collection until what it, and what came right after it, touched once more is not needed any longer. */
const SETTLED = 8;

/** What a process that has come to rest is to do: collect garbage and give memory back, or only the latter. */
export type AtRest = "collect" | "trim";

/**
 * Says when a process has come to rest after it was busy: then, and only then, a pause for collecting garbage delays nobody. To be
 * asked once a second.
 */
export class RestDetector {
  #lastMs = 0;
  #collectedMs = 0;
  #quiet = 0;
  #sinceCollection = MIN_DISTANCE;
  #trimmed = true;

  /**
   * @param cpuMs CPU time of the process so far, all threads
   * @param lateMs how much later than it should this look comes
   * @returns what is due, once; null for nothing
   */
  look(cpuMs: number, lateMs: number): AtRest | null {
    this.#quiet = cpuMs - this.#lastMs < QUIET_MS && lateMs < LATE_MS ? this.#quiet + 1 : 0;
    this.#lastMs = cpuMs;
    this.#sinceCollection += 1;
    if (this.#quiet < QUIET_LOOKS) return null;
    if (this.#sinceCollection >= MIN_DISTANCE && cpuMs - this.#collectedMs >= BUSY_MS) return "collect";
    if (this.#trimmed || this.#sinceCollection < SETTLED) return null;
    this.#trimmed = true;
    return "trim";
  }

  /** A collection is over; its own cost is no reason for another. */
  collected(cpuMs: number): void {
    this.#collectedMs = cpuMs;
    this.#lastMs = cpuMs;
    this.#sinceCollection = 0;
    this.#quiet = 0;
    this.#trimmed = false;
  }
}
