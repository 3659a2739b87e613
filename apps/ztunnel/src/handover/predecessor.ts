import { encodeCbor } from "@lateen/cbor";
import type { Kind, Offer } from "@lateen/handover";
import { type SeqpacketListener, type SeqpacketSocket, listenSeqpacket } from "@lateen/linux";
import type { Logger } from "@lateen/telemetry";
import type { FromThread, PodListener, ToThread } from "../messages.ts";
import { type Ending, type GiverOwner, GiverSession } from "./giver-session.ts";
import { type StateFormat, toVersion } from "./state-format.ts";

/** What only ztunnels of this file's kind give each other. */
export const ROLE = "ztunnel";
/** What the process itself listens on: the successor opens it once it was told to. */
export const PROCESS = "";
/** Between two looks at connections that cannot be moved at this moment: a handshake, a header block. */
const RETRY_MS = 5;

type Offered = Extract<FromThread, { t: "offer" }>;
type Nothing = Extract<FromThread, { t: "no-offer" }>;

/** The data threads as a hand-over sees them. */
export interface GivingThreads {
  readonly count: number;
  sendTo(index: number, message: ToThread): void;
  send(message: ToThread): void;
  /** Every pod's listeners; their descriptors are the caller's. */
  listeners(): Promise<ReadonlyMap<string, readonly PodListener[]>>;
}

export interface PredecessorOptions {
  readonly threads: GivingThreads;
  readonly format: StateFormat;
  readonly uid: number;
  readonly nowMs: () => number;
  readonly closeFd: (fd: number) => void;
  /** Connections that still cannot be moved after this stay. */
  readonly patienceMs: number;
  readonly log: Logger;
  /** Lets the successor open what the process listens on, or takes it back. */
  readonly processListeners: (mode: "give" | "take-back") => void;
  /** A successor is here: it will ask for what we have once it is ready to serve. */
  readonly onSuccessor: () => void;
  /** A successor has everything: end. */
  readonly onDone: () => void;
}

/** A running proxy's side of hand-overs: waits for a successor, one at a time, and gives it what this process has. */
export class Predecessor implements Disposable {
  readonly #o: PredecessorOptions;
  readonly #stop = new AbortController();
  readonly #listener: SeqpacketListener;
  #giving: Giving | null = null;

  /** @throws MeshError when the path cannot be listened on */
  constructor(path: string, o: PredecessorOptions) {
    this.#o = o;
    this.#listener = listenSeqpacket({ path });
  }

  /** Serves successors until disposed of or until one has everything. */
  async run(): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      const socket = await this.#listener.accept(signal).catch(() => null);
      if (socket === null) return;
      if (!this.#trusts(socket)) continue;
      const ending = await this.#serve(socket, signal);
      if (ending.outcome === "done") return this.#o.onDone();
    }
  }

  #trusts(socket: SeqpacketSocket): boolean {
    const { uid, pid } = socket.peer;
    if (uid === this.#o.uid) return true;
    this.#o.log.warn("a stranger was turned away from the hand-over socket", { uid, pid });
    socket[Symbol.dispose]();
    return false;
  }

  async #serve(socket: SeqpacketSocket, signal: AbortSignal): Promise<Ending> {
    const { log } = this.#o;
    const { pid } = socket.peer;
    log.info("a successor is here", { pid });
    this.#o.onSuccessor();
    const giving = new Giving(socket, this.#o, signal);
    this.#giving = giving;
    const ending = await giving.run(signal);
    this.#giving = null;
    const fields = { pid, moved: giving.moved, kept: giving.stayed };
    if (ending.outcome === "done") log.info("handed over", fields);
    else log.warn("not handed over; going on", { ...fields, outcome: ending.outcome, reason: ending.why });
    return ending;
  }

  /** What a data thread said. */
  offered(index: number, message: Offered | Nothing): void {
    const { threads, closeFd } = this.#o;
    if (this.#giving !== null) return this.#giving.answer(index, message);
    if (message.t !== "offer") return;
    message.fds.forEach(closeFd);
    threads.sendTo(index, { t: "offer-outcome", key: message.key, outcome: "kept" });
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error("the proxy stops"));
    this.#listener[Symbol.dispose]();
  }
}

/** One hand-over. */
class Giving implements GiverOwner {
  /** Bundles that the successor took, and that it did not. */
  moved = 0;
  stayed = 0;
  readonly #o: PredecessorOptions;
  readonly #session: GiverSession;
  /** Threads that owe an answer, and what the others said last: they have nothing to offer now. */
  readonly #asked = new Set<number>();
  readonly #idle = new Map<number, Nothing>();
  readonly #outstanding = new Map<string, { readonly index: number; readonly key: number }>();
  #credit = 0;
  #version = 0;
  #movingSinceMs = -1;
  #timer: NodeJS.Timeout | null = null;

  constructor(socket: SeqpacketSocket, o: PredecessorOptions, signal: AbortSignal) {
    this.#o = o;
    const { nowMs, closeFd, format } = o;
    this.#session = new GiverSession(socket, this, { versions: format.versions, role: ROLE, nowMs, closeFd }, signal);
  }

  async run(signal: AbortSignal): Promise<Ending> {
    const ending = await this.#session.run(signal);
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (ending.outcome === "lost") {
      this.#o.threads.send({ t: "take-back-listeners" });
      this.#o.processListeners("take-back");
    }
    return ending;
  }

  // ---- GiverOwner

  list(version: number): void {
    this.#version = version;
    void this.#list();
  }

  async #list(): Promise<void> {
    for (const [uid, listeners] of await this.#o.threads.listeners()) {
      const fds = listeners.map(({ fd }) => fd);
      const places = listeners.map(({ port, transparent }) => ({ port, transparent }));
      this.#offer({ kind: "listeners", key: uid, name: uid, state: encodeCbor({ listeners: places }), fds });
    }
    this.#offer({ kind: "listeners", key: PROCESS, name: PROCESS, state: encodeCbor({}), fds: [] });
    this.#session.listed();
  }

  want(count: number): void {
    this.#credit += count;
    if (this.#movingSinceMs < 0) {
      this.#movingSinceMs = this.#o.nowMs();
      for (let i = 0; i < this.#o.threads.count; i++) this.#askThread(i, "first");
    } else this.#ask();
  }

  given(key: string, kind: Kind): void {
    this.#settled(key, kind, "given");
  }

  kept(key: string, kind: Kind, why: string): void {
    this.#o.log.debug("stays here", { what: key, kind, reason: why });
    this.#settled(key, kind, "kept");
  }

  #settled(key: string, kind: Kind, outcome: "given" | "kept"): void {
    const { threads, processListeners } = this.#o;
    if (kind === "listeners") {
      if (outcome === "kept") return;
      if (key === PROCESS) processListeners("give");
      else threads.send({ t: "lend-listeners", uid: key });
      return;
    }
    const out = this.#outstanding.get(key);
    this.#outstanding.delete(key);
    if (out !== undefined) threads.sendTo(out.index, { t: "offer-outcome", key: out.key, outcome });
    if (outcome === "given") this.moved += 1;
    else this.stayed += 1;
    this.#look();
  }

  // ---- what the data threads offer

  /** Asks every thread that may have something, one question at a time each. */
  #ask(): void {
    for (let i = 0; i < this.#o.threads.count; i++)
      if (this.#credit > this.#asked.size && !this.#idle.has(i)) this.#askThread(i, "more");
  }

  #askThread(index: number, mode: "first" | "more"): void {
    if (this.#asked.has(index)) return;
    this.#asked.add(index);
    this.#o.threads.sendTo(index, { t: "next-offer", mode });
  }

  answer(index: number, message: Offered | Nothing): void {
    this.#asked.delete(index);
    if (message.t === "no-offer") {
      this.#idle.set(index, message);
      return this.#look();
    }
    const { key, uid, state, fds } = message;
    const name = `${index}:${key}`;
    this.#credit -= 1;
    this.#outstanding.set(name, { index, key });
    this.#offer({ kind: "connections", key: name, name: uid, state, fds });
    this.#ask();
  }

  #offer(offer: Offer): void {
    const state = toVersion(this.#o.format, this.#version, offer.kind, offer.state);
    this.#session.offer(state.ok ? { ...offer, state: state.value } : { ...offer, state: NOTHING });
  }

  /** Nobody has anything to offer and nothing is under way: that is all, or it is tried again soon. */
  #look(): void {
    const { threads, nowMs, patienceMs } = this.#o;
    if (this.#idle.size < threads.count || this.#outstanding.size > 0 || this.#timer !== null) return;
    let [later, left] = [0, 0];
    for (const said of this.#idle.values()) {
      later += said.later;
      left += said.left;
    }
    if (later === 0 || nowMs() - this.#movingSinceMs > patienceMs) return this.#session.exhausted(left);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#idle.clear();
      this.#ask();
    }, RETRY_MS);
  }
}

const NOTHING = new Uint8Array(0);
