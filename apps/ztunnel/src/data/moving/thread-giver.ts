import type { Cancel, Mover } from "@lateen/datapath";
import { type GiverEffect, type GiverInput, type GiverState, type Kind, giverStart, giverStep } from "@lateen/handover";
import { INNER_SINCE, type StateFormat, toVersion } from "../../handover/state-format.ts";
import type { Gave } from "../../messages.ts";
import type { ServedPod } from "../served-pod.ts";
import type { FrozenBundle } from "./bundle.ts";
import { type Found, type Subject, findCandidates, isOver, remaining, subjectOf, weightOf } from "./candidates.ts";
import { Channel, type ChannelLoop } from "./channel.ts";
import { freezeBundle } from "./freeze.ts";

/** What only data threads of ztunnels give each other. */
export const THREAD_ROLE = "ztunnel data thread";
/**
 * Connections that stand still at a time; a tunnel with more of them goes alone. Enough to keep both threads busy with small
 * ones, few enough that none stands still for the others.
 */
const MAX_FROZEN = 8;
/** Between two looks at connections that cannot be moved at this moment: a handshake, a header block. */
const RETRY_MS = 5;
const TICK_MS = 500;

export interface GiverWorld extends ChannelLoop {
  readonly mover: Mover;
  readonly pods: ReadonlyMap<string, ServedPod>;
  readonly format: StateFormat;
  readonly nowMs: () => number;
  /** The machine's monotonic clock, the same in every process. */
  readonly clockMs: () => number;
  readonly duplicateFd: (fd: number) => number;
}

export interface GiveOptions {
  /** Of the channel; owned. */
  readonly fd: number;
  readonly version: number;
  /** What still cannot be moved after this stays. */
  readonly patienceMs: number;
}

interface Out {
  readonly bundle: FrozenBundle;
  readonly subject: Subject;
  readonly weight: number;
}

/**
 * Gives what a data thread carries to a thread of the successor, bundle by bundle over a channel of their own: frozen, sent,
 * made ready and run there without another thread in between.
 */
export class ThreadGiver {
  readonly #world: GiverWorld;
  readonly #o: GiveOptions;
  readonly #over: (gave: Gave) => void;
  readonly #channel: Channel;
  readonly #movesInner: boolean;
  readonly #startedMs: number;
  readonly #out = new Map<string, Out>();
  /** Duplicates that nobody has yet. */
  readonly #unsent = new Set<number>();
  /** The successor does not want them. */
  readonly #staying = new WeakSet<Subject>();
  /** What the last search found, and how much of it was looked at. */
  #found: readonly Found[] = [];
  #at = 0;
  #state: GiverState;
  #credit = 0;
  #frozen = 0;
  #nextKey = 1;
  #moved = 0;
  #kept = 0;
  #later: Cancel | null = null;
  #tick: Cancel;

  /** @param over hears how it ended, once */
  constructor(world: GiverWorld, o: GiveOptions, over: (gave: Gave) => void) {
    this.#world = world;
    this.#o = o;
    this.#over = over;
    this.#movesInner = o.version >= INNER_SINCE;
    this.#startedMs = world.nowMs();
    const versions = { newest: o.version, oldest: o.version };
    this.#state = giverStart({ versions, role: THREAD_ROLE, nowMs: world.nowMs() });
    this.#tick = world.after(TICK_MS, () => this.#onTick());
    this.#channel = new Channel(world, o.fd, {
      onMessage: (bytes, fds) => {
        fds.forEach(world.closeFd); // a successor has none to give
        this.#input({ t: "message", bytes, nowMs: world.nowMs() });
      },
      onClosed: (why) => this.#input({ t: "closed", why }),
    });
  }

  /** Gives nothing more; what is under way is settled first. */
  stop(): void {
    if (this.#state.phase !== "over") this.#channel.shut();
  }

  #onTick(): void {
    this.#tick = this.#world.after(TICK_MS, () => this.#onTick());
    this.#input({ t: "tick", nowMs: this.#world.nowMs() });
  }

  #input(input: GiverInput): void {
    const [state, effects] = giverStep(this.#state, input);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(e: GiverEffect): void {
    switch (e.t) {
      case "send":
        return this.#channel.send(e.bytes, e.fds, () => this.#close(e.fds));
      case "list":
        return this.#input({ t: "listed", nowMs: this.#world.nowMs() });
      case "want":
        this.#credit += e.count;
        return this.#supply();
      case "given":
      case "kept":
        return this.#settled(e.key, e.kind, e.t);
      case "leave":
        return this.#channel.shut();
      case "over":
        return this.#end(e.outcome, e.why);
    }
  }

  #settled(key: string, _kind: Kind, outcome: "given" | "kept"): void {
    const out = this.#out.get(key);
    this.#out.delete(key);
    if (out === undefined) return;
    this.#frozen -= out.weight;
    if (outcome === "given") this.#moved += 1;
    else {
      this.#kept += 1;
      this.#staying.add(out.subject);
    }
    out.bundle[outcome]();
    this.#supply();
  }

  // ---- what is offered

  #supply(): void {
    if (this.#state.phase !== "moving") return;
    while (this.#credit > 0) {
      const next = this.#next() ?? this.#searched();
      if (next === "wait") return;
      if (next === null) return this.#nothing();
      this.#offer(next);
    }
  }

  #searched(): Out | "wait" | null {
    this.#found = findCandidates(this.#world.pods.values(), this.#movesInner);
    this.#at = 0;
    return this.#next();
  }

  /** Makes the next bundle stand still. @returns null when there is none now, `wait` when enough stands still already */
  #next(): Out | "wait" | null {
    const { mover, clockMs } = this.#world;
    for (; this.#at < this.#found.length; this.#at++) {
      const { pod, candidate } = this.#found[this.#at]!; // the line above checked it
      const subject = subjectOf(candidate);
      if (this.#staying.has(subject) || isOver(candidate) || this.#isOut(subject)) continue;
      const weight = weightOf(candidate);
      if (this.#frozen > 0 && this.#frozen + weight > MAX_FROZEN) return "wait";
      const { context, tunnels } = pod;
      const world = { mover, pod: context, tunnels, clockMs, movesInner: this.#movesInner };
      const frozen = freezeBundle(world, candidate);
      if (!frozen.ok) continue; // looked at again by the next search
      this.#at += 1;
      return { bundle: frozen.value, subject, weight };
    }
    return null;
  }

  #offer(out: Out): void {
    const { format, duplicateFd, nowMs } = this.#world;
    const key = String(this.#nextKey++);
    this.#out.set(key, out);
    this.#credit -= 1;
    this.#frozen += out.weight;
    const { uid, state, fds } = out.bundle;
    const written = toVersion(format, this.#o.version, "connections", state);
    // Duplicates: while they wait to be sent our own may be closed, and their numbers given to others.
    const offer = { key, name: uid, state: written.ok ? written.value : NOTHING, fds: fds.map(duplicateFd) };
    for (const fd of offer.fds) this.#unsent.add(fd);
    this.#input({ t: "offer", kind: "connections", ...offer, nowMs: nowMs() });
    if (!this.#out.has(key)) this.#close(offer.fds); // too large, or nobody asked any more
  }

  #close(fds: readonly number[]): void {
    for (const fd of fds) if (this.#unsent.delete(fd)) this.#world.closeFd(fd);
  }

  #isOut(subject: Subject): boolean {
    for (const out of this.#out.values()) if (out.subject === subject) return true;
    return false;
  }

  /** Nothing can be offered now: that is all, or it is tried again soon. */
  #nothing(): void {
    if (this.#out.size > 0 || this.#later !== null) return;
    const { later, left } = this.#remaining();
    const patient = this.#world.nowMs() - this.#startedMs < this.#o.patienceMs;
    if (later === 0 || !patient) return this.#input({ t: "exhausted", left, nowMs: this.#world.nowMs() });
    this.#later = this.#world.after(RETRY_MS, () => {
      this.#later = null;
      this.#supply();
    });
  }

  #remaining(): ReturnType<typeof remaining> {
    return remaining(this.#world.pods.values(), {
      isOut: (subject) => this.#isOut(subject),
      stays: (subject) => this.#staying.has(subject),
      movesInner: this.#movesInner,
    });
  }

  #end(outcome: Gave["outcome"], why: string): void {
    this.#tick();
    this.#later?.();
    this.#channel.close();
    this.#over({ outcome, why, moved: this.#moved, kept: this.#kept, left: this.#remaining().left });
  }
}

const NOTHING = new Uint8Array(0);
