import { Roster, type Seat } from "@lateen/lifecycle";
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

/** So many pods are remembered in any case. */
const LEAST_FULL = 64;

/**
 * Every connection of this thread by pod. A connection is registered before its first policy check, so that no change can fall
 * between check and registration (dataplane 6.7).
 */
export class LiveConnections {
  /** One without connections stays for the next: entries that come and go with each of them would be as much garbage. */
  readonly #byPod = new Map<string, Roster<Carried>>();
  /** So many pods, and those without connections are forgotten. */
  #full = LEAST_FULL;
  #size = 0;
  /**
   * The last that ended, with all that it led to: while there is one, V8 keeps the code that it has compiled for them when it collects
   * garbage (ADR 0016).
   */
  readonly #exemplars: { inbound: Carried | null; outbound: Carried | null } = { inbound: null, outbound: null };

  get size(): number {
    return this.#size;
  }

  /** @returns what `remove` takes */
  add(connection: Carried): Seat<Carried> {
    this.#size += 1;
    return (this.#byPod.get(connection.uid) ?? this.#begin(connection.uid)).add(connection);
  }

  /** Idempotent. */
  remove(seat: Seat<Carried>): void {
    if (!seat.taken) return;
    this.#size -= 1;
    this.#exemplars[seat.member.judged === null ? "outbound" : "inbound"] = seat.member;
    this.#byPod.get(seat.member.uid)?.remove(seat);
  }

  #begin(uid: string): Roster<Carried> {
    if (this.#byPod.size >= this.#full) {
      for (const [pod, roster] of this.#byPod) if (roster.size === 0) this.#byPod.delete(pod);
      this.#full = Math.max(LEAST_FULL, 2 * this.#byPod.size);
    }
    const roster = new Roster<Carried>();
    this.#byPod.set(uid, roster);
    return roster;
  }

  /** The connections of one pod, in the order they began. A copy: closing changes the set. */
  of(uid: string): readonly Carried[] {
    return this.#byPod.get(uid)?.members() ?? [];
  }

  all(): readonly Carried[] {
    return [...this.#byPod.values()].flatMap((roster) => roster.members());
  }
}
