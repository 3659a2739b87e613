import { type Plain, encodeCbor } from "@lateen/cbor";
import type { Kind, Offer } from "@lateen/handover";
import { type SeqpacketListener, type SeqpacketSocket, listenSeqpacket } from "@lateen/linux";
import type { Family, Logger } from "@lateen/telemetry";
import type { Gave, PodListener, ToThread } from "../messages.ts";
import { type Ending, type GiverOwner, GiverSession } from "./giver-session.ts";
import { CHANNEL, PROCESS, encodeTotals } from "./process-offers.ts";
import { type StateFormat, toVersion } from "./state-format.ts";
import type { PeerJudge } from "./trusted-peer.ts";

/** What only ztunnels of this file's kind give each other. */
export const ROLE = "ztunnel";
const TOTALS = "totals";

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
  /** Why the process at the other end is not to be given anything, null when it is. */
  readonly judge: PeerJudge;
  readonly nowMs: () => number;
  readonly closeFd: (fd: number) => void;
  /** Two ends of a socket between two data threads. */
  readonly openChannel: () => readonly [number, number];
  /** What this process carries and has counted. */
  readonly report: () => Promise<{ readonly connections: number; readonly families: readonly Family[] }>;
  /** Connections that still cannot be moved after this stay. */
  readonly patienceMs: number;
  readonly log: Logger;
  /** Lets the successor open what the process listens on, or takes it back. */
  readonly processListeners: (mode: "give" | "take-back") => void;
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
    const reason = this.#o.judge(socket.peer);
    if (reason === null) return true;
    this.#o.log.warn("a stranger was turned away from the hand-over socket", { uid, pid, reason });
    socket[Symbol.dispose]();
    return false;
  }

  async #serve(socket: SeqpacketSocket, signal: AbortSignal): Promise<Ending> {
    const { log } = this.#o;
    const { pid } = socket.peer;
    log.info("a successor is here", { pid });
    const giving = new Giving(socket, this.#o, signal);
    this.#giving = giving;
    const ending = await giving.run(signal);
    this.#giving = null;
    const fields = { pid, moved: giving.moved, kept: giving.stayed };
    if (ending.outcome === "done") log.info("handed over", fields);
    else log.warn("not handed over; going on", { ...fields, outcome: ending.outcome, reason: ending.why });
    return ending;
  }

  /** What became of a data thread's giving. */
  gave(index: number, gave: Gave): void {
    this.#giving?.gave(index, gave);
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error("the proxy stops"));
    this.#listener[Symbol.dispose]();
  }
}

/**
 * One hand-over: listeners by this session, then a channel for one data thread after the other, then what has been counted. A move
 * keeps two threads busy, one on either side: two at a time would stand still for each other.
 */
class Giving implements GiverOwner {
  /** Bundles that the successor took, and that it did not. */
  moved = 0;
  stayed = 0;
  readonly #o: PredecessorOptions;
  readonly #session: GiverSession;
  /** Channels on offer: the data thread of each, and our end. */
  readonly #channels = new Map<string, { readonly index: number; readonly fd: number }>();
  /** Data threads that are done. */
  readonly #done = new Set<number>();
  #credit = 0;
  #version = 0;
  #nextThread = 0;
  #left = 0;
  #totals: "not yet" | "counting" | "counted" | "offered" = "not yet";
  #families: readonly Family[] = [];

  constructor(socket: SeqpacketSocket, o: PredecessorOptions, signal: AbortSignal) {
    this.#o = o;
    const { nowMs, closeFd, format } = o;
    this.#session = new GiverSession(socket, this, { versions: format.versions, role: ROLE, nowMs, closeFd }, signal);
  }

  async run(signal: AbortSignal): Promise<Ending> {
    const ending = await this.#session.run(signal);
    if (ending.outcome !== "lost") return ending;
    for (const { fd } of this.#channels.values()) this.#o.closeFd(fd);
    this.#o.threads.send({ t: "stop-giving" });
    this.#o.threads.send({ t: "take-back-listeners" });
    this.#o.processListeners("take-back");
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
      this.#offer({ kind: "listeners", key: uid, name: uid, fds }, { listeners: places });
    }
    this.#offer({ kind: "listeners", key: PROCESS, name: PROCESS, fds: [] }, {});
    this.#session.listed();
  }

  want(count: number): void {
    this.#credit += count;
    this.#supply();
  }

  given(key: string, kind: Kind): void {
    const { threads, processListeners, patienceMs } = this.#o;
    if (kind === "listeners") {
      if (key === PROCESS) processListeners("give");
      else threads.send({ t: "lend-listeners", uid: key });
      return;
    }
    if (key === TOTALS) return this.#session.exhausted(this.#left);
    const channel = this.#channels.get(key);
    this.#channels.delete(key);
    if (channel === undefined) return;
    threads.sendTo(channel.index, { t: "give", fd: channel.fd, version: this.#version, patienceMs });
  }

  kept(key: string, kind: Kind, why: string): void {
    this.#o.log.debug("stays here", { what: key, kind, reason: why });
    if (kind === "listeners") return;
    if (key === TOTALS) return this.#session.exhausted(this.#left);
    const channel = this.#channels.get(key);
    this.#channels.delete(key);
    if (channel === undefined) return;
    this.#o.closeFd(channel.fd);
    this.#done.add(channel.index);
    this.#supply();
  }

  // ---- what is offered

  #supply(): void {
    const { threads, openChannel } = this.#o;
    if (this.#credit > 0 && this.#nextThread < threads.count && this.#done.size === this.#nextThread) {
      const [own, theirs] = openChannel();
      const key = `thread ${this.#nextThread}`;
      this.#channels.set(key, { index: this.#nextThread, fd: own });
      this.#nextThread += 1;
      this.#credit -= 1;
      this.#offer({ kind: "connections", key, name: PROCESS, fds: [theirs] }, CHANNEL);
    }
    if (this.#done.size < threads.count) return;
    if (this.#totals === "not yet") void this.#count();
    if (this.#totals !== "counted" || this.#credit === 0) return;
    this.#totals = "offered";
    this.#credit -= 1;
    this.#offer({ kind: "connections", key: TOTALS, name: PROCESS, fds: [] }, encodeTotals(this.#families));
  }

  /** Nothing is served here any more but what stays, and nobody can ask for what has been counted but the successor. */
  async #count(): Promise<void> {
    this.#totals = "counting";
    const { connections, families } = await this.#o.report();
    this.#left = connections;
    this.#families = families;
    this.#totals = "counted";
    this.#supply();
  }

  gave(index: number, { moved, kept, outcome, why }: Gave): void {
    this.moved += moved;
    this.stayed += kept;
    if (outcome !== "done")
      this.#o.log.warn("a data thread gave not everything", { thread: index, outcome, reason: why });
    this.#done.add(index);
    this.#supply();
  }

  #offer(offer: Omit<Offer, "state">, own: Plain): void {
    const state = toVersion(this.#o.format, this.#version, offer.kind, encodeCbor(own));
    this.#session.offer({ ...offer, state: state.ok ? state.value : NOTHING });
  }
}

const NOTHING = new Uint8Array(0);
