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
  crowded: "everything",
  full: "tunnels",
};

/**
 * Says who accepts: as few threads as can carry what there is, for each that is awake for the same work finds less to do at a time.
 * When all of them are full or crowded one more joins at once; when all could rest the last one leaves, at a settling.
 */
export class AcceptPolicy {
  readonly #loads: Load[];
  #threads = 1;

  /** @param count threads that there are, at least 1 */
  constructor(count: number) {
    this.#loads = Array.from({ length: count }, () => "easy");
  }

  get loads(): readonly Load[] {
    return this.#loads;
  }

  /** A thread's load has changed. */
  heard(index: number, load: Load): void {
    if (this.#loads[index] === undefined) return;
    this.#loads[index] = load;
    while (this.#haveEnough && this.#threads < this.#loads.length) this.#threads += 1;
  }

  /** To be called now and then while more than one accepts. */
  settle(): void {
    if (this.#threads > 1 && this.#who.every((load) => load === "easy")) this.#threads -= 1;
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
