import type { Load } from "../messages.ts";

/** Of a processor. From here on whatever comes new finds the thread at work more often than not. */
const FULL_SHARE = 0.6;
/** Two such threads are one that is not full: together they do the same work for less. */
const EASY_SHARE = 0.35;
/** A second received in bulk. So much costs two threads no more than one, and what comes new does not wait behind it. */
const FULL_BYTES = 200e6;
/** Of the time, waited for a processor. From here on there is none left for a second thread: the two would take turns. */
const CONTENDED_SHARE = 0.15;
/** What so many connections will want nobody knows while they are quiet. */
const CROWD = 128;
const EASY_CONNECTIONS = 64;
/** Less says nothing. */
const WINDOW_MS = 100;

const RANK: Readonly<Record<Load, number>> = { easy: 0, busy: 1, contended: 2, crowded: 3, full: 4 };

interface Mark {
  readonly cpuMs: number;
  readonly waitedMs: number;
  readonly bytes: number;
  readonly nowMs: number;
}

/** What is looked at. */
export interface LoadSources {
  /** CPU time of the thread so far. */
  readonly cpuMs: () => number;
  /** So far the thread had work and no processor. */
  readonly waitedMs: () => number;
  /** Received so far. */
  readonly bytes: () => number;
  readonly nowMs: () => number;
  readonly connections: () => number;
}

/**
 * How much of a processor a data thread takes. By its CPU time, not by how much it would have liked: where others take the processors
 * a second thread finds none either, and one that waits for its own is contended, full only of bulk. No timer of its own: it is asked
 * when a connection comes, for nothing else depends on the answer, and with each tick of the thread. It goes up at once, and down by
 * ticks alone, so that a gap between two bursts is not taken for rest.
 */
export class LoadMeter {
  readonly #of: LoadSources;
  #lastTick: Mark;
  #last: Mark;
  #load: Load = "easy";

  constructor(of: LoadSources) {
    this.#of = of;
    this.#last = this.#lastTick = this.#mark();
  }

  get load(): Load {
    return this.#load;
  }

  #mark(): Mark {
    const { cpuMs, waitedMs, bytes, nowMs } = this.#of;
    return { cpuMs: cpuMs(), waitedMs: waitedMs(), bytes: bytes(), nowMs: nowMs() };
  }

  /** @returns the load if it has risen */
  accepted(): Load | null {
    if (this.#load === "full" || this.#of.nowMs() - this.#last.nowMs < WINDOW_MS) return null;
    const now = this.#mark();
    const load = this.#between(this.#last, now);
    this.#last = now;
    return RANK[load] > RANK[this.#load] ? (this.#load = load) : null;
  }

  /** To be called about once a second, and more often while there is load. @returns the load if it has changed */
  ticked(): Load | null {
    const now = this.#mark();
    if (now.nowMs - this.#lastTick.nowMs < WINDOW_MS) return null;
    const load = this.#between(this.#lastTick, now);
    this.#last = this.#lastTick = now;
    return load === this.#load ? null : (this.#load = load);
  }

  #between(from: Mark, to: Mark): Load {
    const ms = to.nowMs - from.nowMs;
    const share = (to.cpuMs - from.cpuMs) / ms;
    const connections = this.#of.connections();
    const contended = to.waitedMs - from.waitedMs >= CONTENDED_SHARE * ms;
    if ((to.bytes - from.bytes) * 1_000 >= FULL_BYTES * ms || (share >= FULL_SHARE && !contended)) return "full";
    if (connections >= CROWD) return "crowded";
    if (contended) return "contended";
    return share < EASY_SHARE && connections < EASY_CONNECTIONS ? "easy" : "busy";
  }
}
