import type { Load, Yields } from "../messages.ts";

/** Which data threads accept connections, and which of these leave them to the others for a moment. */
export interface Accepting {
  /** The first so many. */
  readonly threads: number;
  /** Of those, by index. */
  readonly yielding: readonly Yields[];
}

/**
 * What is left to others. A crowded thread may be at rest, and would be as quick as they are. A full one is late by itself, and what
 * comes when it is not may be a burst that all should share; but a tunnel stays, and is to be where it has room.
 */
const YIELDS: Readonly<Record<Load, Yields>> = {
  easy: "nothing",
  busy: "nothing",
  contended: "nothing",
  crowded: "everything",
  full: "tunnels",
};

/** A thread that found no processor is not missed sooner than this. */
const RETRY_MS = 10_000;

/**
 * Says who accepts: as few threads as can carry what there is, for each that is awake for the same work finds less to do at a time.
 * When all of them are full or crowded one more joins at once; when all could rest, or take turns with others for the processors, the
 * last one leaves, at a settling.
 */
export class AcceptPolicy {
  readonly #loads: Load[];
  #threads = 1;
  #notBeforeMs = 0;

  /** @param count threads that there are, at least 1 */
  constructor(count: number) {
    this.#loads = Array.from({ length: count }, () => "easy");
  }

  get loads(): readonly Load[] {
    return this.#loads;
  }

  /** A thread's load has changed. */
  heard(index: number, load: Load, nowMs: number): void {
    if (this.#loads[index] === undefined) return;
    this.#loads[index] = load;
    this.#joinIfMissed(nowMs);
  }

  /** To be called now and then while `unsettled`. */
  settle(nowMs: number): void {
    const who = this.#who;
    if (who.length > 1 && who.every((load) => load === "easy" || load === "contended")) {
      this.#threads -= 1;
      if (who.includes("contended")) this.#notBeforeMs = nowMs + RETRY_MS;
    }
    this.#joinIfMissed(nowMs);
  }

  /** Whether a settling may change who accepts. */
  get unsettled(): boolean {
    return this.#threads > 1 || this.#isMissed;
  }

  #joinIfMissed(nowMs: number): void {
    while (this.#isMissed && (nowMs >= this.#notBeforeMs || this.#who.includes("crowded"))) this.#threads += 1;
  }

  /** Whether the next thread is. */
  get #isMissed(): boolean {
    return this.#haveEnough && this.#threads < this.#loads.length;
  }

  get #who(): readonly Load[] {
    return this.#loads.slice(0, this.#threads);
  }

  /** Whether none of those that accept should be given more. */
  get #haveEnough(): boolean {
    return this.#who.every((load) => load === "full" || load === "crowded");
  }

  /** Only where others have room. */
  get accepting(): Accepting {
    const enough = this.#haveEnough;
    return { threads: this.#threads, yielding: this.#who.map((load) => (enough ? "nothing" : YIELDS[load])) };
  }
}
