import type { Connection } from "@lateen/policy";
import type { LiveConnection } from "../messages.ts";
import type { Refusal } from "./connection-facts.ts";

/** A connection that this thread carries, as policy changes and `config_dump` need it. */
export interface Carried {
  /** Of its pod. */
  readonly uid: string;
  /** Made when it is asked for. */
  readonly view: LiveConnection;
  /** What L4 policy judges; null for outbound connections, which no policy applies to. */
  readonly judged: Connection | null;
  /** Ends both sides at once, and says so in log and metrics. */
  close(refusal: Refusal): void;
}

/**
 * Every connection of this thread by pod. A connection is registered before its first policy check, so that no change can fall
 * between check and registration (dataplane 6.7).
 */
export class LiveConnections {
  readonly #byPod = new Map<string, Set<Carried>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(connection: Carried): void {
    const { uid } = connection;
    const set = this.#byPod.get(uid) ?? new Set();
    this.#byPod.set(uid, set);
    if (set.has(connection)) return;
    set.add(connection);
    this.#size += 1;
  }

  remove(connection: Carried): void {
    const { uid } = connection;
    const set = this.#byPod.get(uid);
    if (set?.delete(connection) === true) this.#size -= 1;
    if (set?.size === 0) this.#byPod.delete(uid);
  }

  /** The connections of one pod, in the order they began. A copy: closing changes the set. */
  of(uid: string): readonly Carried[] {
    return [...(this.#byPod.get(uid) ?? [])];
  }

  all(): readonly Carried[] {
    return [...this.#byPod.values()].flatMap((set) => [...set]);
  }
}
