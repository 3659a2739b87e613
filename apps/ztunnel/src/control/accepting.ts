import type { Load } from "../messages.ts";

/** Which data threads accept connections, and which of these leave them to the others for a moment. */
export interface Accepting {
  /** The first so many. */
  readonly threads: number;
  /** Of those, by index. */
  readonly yielding: readonly boolean[];
}

/**
 * Says who accepts: as few threads as can carry what there is, for each that is awake for the same work finds less to do at a time.
 * When all of them are full one more joins at once; when all could rest the last one leaves, at a settling.
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
    if (this.#all("full") && this.#threads < this.#loads.length) this.#threads += 1;
  }

  /** To be called now and then while more than one accepts. */
  settle(): void {
    if (this.#threads > 1 && this.#all("easy")) this.#threads -= 1;
  }

  #all(load: Load): boolean {
    return this.#loads.slice(0, this.#threads).every((l) => l === load);
  }

  /** A full thread leaves connections to those that are not, if any. */
  get accepting(): Accepting {
    const anyLeft = !this.#all("full");
    return {
      threads: this.#threads,
      yielding: this.#loads.slice(0, this.#threads).map((load) => anyLeft && load === "full"),
    };
  }
}
