/** CPU milliseconds that leave something worth giving back. */
const BUSY_MS = 250;
/** A second with less CPU than this, of all threads together, is a quiet one. */
const QUIET_MS = 25;
/** A look that comes this much too late says that others keep us from running: little CPU is no sign of rest then. */
const LATE_MS = 100;
/** So many quiet ones in a row are a pause. */
const PAUSE = 2;
/**
 * So many are rest. Collecting throws compiled code away along with what it was compiled for: what comes after it is slower for some
 * seconds, so it is not for a pause. But for the first, after the start, which leaves much garbage and no such code.
 */
const REST = 60;
/** Looks between one trim and the next, however short the pauses in between. */
const MIN_DISTANCE = 15;
/**
 * A load that makes no pause for so many looks does not wait for one: some milliseconds of CPU then, and soft page faults, against what
 * the start, or compiling for the load, has left behind.
 */
const PATIENCE = 20;
/** The start leaves most: memory of programs that are never read again, and what the control thread has loaded itself with. */
const START_PATIENCE = 5;
/** Looks from a collection until what it, and what came right after it, touched once more is not needed any longer. */
const SETTLED = 8;

/**
 * What is due: memory that is free already goes back, or garbage is collected before. `tidy`: under a load, where the data threads must
 * not be held up and have compiled what they need, only the control thread collects.
 */
export type AtRest = "collect" | "tidy" | "trim";

/**
 * Says when a process pauses and when it has come to rest after it was busy, for then giving memory back delays nobody, and when a load
 * has gone on for so long that it is to be done in between. To be asked once a second.
 */
export class RestDetector {
  #lastMs = 0;
  #quiet = 0;
  /** CPU time at the last trim and the last collection. */
  #trimmedMs = 0;
  #collectedMs = 0;
  #sinceTrim = MIN_DISTANCE;
  /** Looks since the last pause, or since memory was given back in a load without one. */
  #restless = 0;
  /** Nothing of what the start left has been collected yet. */
  #starting = true;
  /** Looks until the trim that a collection calls for; null when none is owed. */
  #settlesIn: number | null = null;

  /**
   * @param cpuMs CPU time of the process so far, all threads
   * @param lateMs how much later than it should this look comes
   * @returns what is due, once; null for nothing
   */
  look(cpuMs: number, lateMs: number): AtRest | null {
    this.#quiet = cpuMs - this.#lastMs < QUIET_MS && lateMs < LATE_MS ? this.#quiet + 1 : 0;
    this.#lastMs = cpuMs;
    this.#sinceTrim += 1;
    this.#restless = this.#quiet >= PAUSE ? 0 : this.#restless + 1;
    if (this.#settlesIn !== null) this.#settlesIn -= 1;
    const long = this.#quiet >= (this.#starting ? PAUSE : REST);
    if (long && cpuMs - this.#collectedMs >= BUSY_MS) return "collect";
    if (this.#starting && this.#restless >= START_PATIENCE && cpuMs >= BUSY_MS) return "tidy";
    return (this.#quiet >= PAUSE || this.#restless >= PATIENCE) && this.#trimIsDue(cpuMs) ? this.#trim(cpuMs) : null;
  }

  #trimIsDue(cpuMs: number): boolean {
    if (this.#settlesIn !== null) return this.#settlesIn <= 0;
    return this.#sinceTrim >= MIN_DISTANCE && cpuMs - this.#trimmedMs >= BUSY_MS;
  }

  #trim(cpuMs: number): AtRest {
    this.#trimmedMs = cpuMs;
    this.#sinceTrim = 0;
    this.#restless = 0;
    this.#settlesIn = null;
    return "trim";
  }

  /** A collection is over; its own cost is no reason for another. */
  collected(cpuMs: number): void {
    this.#collectedMs = cpuMs;
    this.tidied(cpuMs);
  }

  /** The control thread has collected; the data threads have theirs to do when the process comes to rest. */
  tidied(cpuMs: number): void {
    this.#starting = false;
    this.#lastMs = cpuMs;
    this.#quiet = 0;
    this.#restless = 0;
    this.#settlesIn = SETTLED;
  }
}
