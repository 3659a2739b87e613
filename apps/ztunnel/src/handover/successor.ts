import { type Reader, decodeCbor, readPlain } from "@lateen/cbor";
import { type Result, fail, ok } from "@lateen/errors";
import { type PeerCredentials, connectSeqpacket } from "@lateen/linux";
import type { Family, Logger } from "@lateen/telemetry";
import type { PodListener, ToThread, Took } from "../messages.ts";
import type { Ending } from "./giver-session.ts";
import { ROLE } from "./predecessor.ts";
import { PROCESS, decodeProcessOffer } from "./process-offers.ts";
import { type StateFormat, fromVersion } from "./state-format.ts";
import { type Offered, type TakerOwner, TakerSession } from "./taker-session.ts";
import { type Summary, summarize } from "./summary.ts";

const CANNOT_TAKE = "the successor's driver cannot take it over";
/** Channels that may be on offer at a time. */
const WINDOW = 64;

export interface SuccessorOptions {
  readonly program: string;
  /** Whether this process's driver can take over sockets; else it takes nothing, and the predecessor drains. */
  readonly takes: boolean;
  readonly format: StateFormat;
  readonly nowMs: () => number;
  readonly closeFd: (fd: number) => void;
  readonly log: Logger;
  readonly threads: { readonly count: number; sendTo(index: number, message: ToThread): void };
  /** What has been counted before, of which this process's own counts are to be the continuation. */
  readonly onTotals: (families: readonly Family[]) => void;
}

/** A pod's listeners on offer. */
interface Lent {
  readonly id: number;
  readonly listeners: readonly PodListener[];
}

const readListeners = (r: Reader): readonly Omit<PodListener, "fd">[] =>
  r.at("listeners").list(1024, (l) => ({ port: l.at("port").int(1, 65_535), transparent: l.at("transparent").flag() }));

/**
 * A new proxy's side of a hand-over. In order: `connect`, `listeners` when pods are about to start, `takePod` and `served` for
 * each, `move` once all are served.
 */
export class Successor implements TakerOwner {
  readonly #o: SuccessorOptions;
  readonly predecessor: PeerCredentials;
  readonly #session: TakerSession;
  readonly #welcome = Promise.withResolvers<boolean>();
  readonly #listed = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<number>();
  readonly #over = Promise.withResolvers<Ending>();
  /** On offer, and not asked for. */
  readonly #lent = new Map<string, Lent>();
  /** Offers whose listeners are with the data threads already. */
  readonly #starting = new Map<string, number>();
  readonly #took: Took[] = [];
  /** Channels over which a data thread takes. */
  #channels = 0;
  #onQuiet: (() => void) | null = null;
  #totals: { readonly id: number; readonly families: readonly Family[] } | null = null;
  #processId: number | null = null;
  #version = 0;
  #asked = false;
  #next = 0;
  #left: number | null = null;

  /** @throws MeshError UNAVAILABLE when nobody listens there */
  constructor(path: string, o: SuccessorOptions) {
    this.#o = o;
    const { program, format, nowMs, closeFd } = o;
    const socket = connectSeqpacket(path);
    this.predecessor = socket.peer;
    this.#session = new TakerSession(socket, this, { versions: format.versions, role: ROLE, program, nowMs, closeFd });
  }

  /** Says hello. @returns whether there is anything to take over */
  connect(signal: AbortSignal): Promise<boolean> {
    void this.#session.run(signal);
    return this.#welcome.promise;
  }

  /** Whether the predecessor still has something for us. */
  get open(): boolean {
    return this.#version > 0;
  }

  /** Resolves when it has nothing more for us, whether or not it gave everything: nobody else serves its pods then. */
  get gone(): Promise<unknown> {
    return this.#over.promise;
  }

  /** Resolves when every pod's listeners are on offer, or when the predecessor is gone. */
  async listeners(): Promise<void> {
    if (!this.#asked && this.open) this.#session.list();
    this.#asked = true;
    if (this.open) await this.#listed.promise;
  }

  /** What is on offer for a pod. The descriptors are the caller's, who says afterwards whether the pod is `served`. */
  takePod(uid: string): readonly PodListener[] {
    const lent = this.#lent.get(uid);
    if (lent === undefined) return [];
    this.#lent.delete(uid);
    this.#starting.set(uid, lent.id);
    return lent.listeners;
  }

  /** The pod's proxy runs with the listeners that were taken, or does not. */
  served(uid: string, error: string | null): void {
    const id = this.#starting.get(uid);
    this.#starting.delete(uid);
    if (id !== undefined) this.#session.decide(id, error);
  }

  /** Takes everything else. @returns what became of it; null when there was no predecessor or it went away before */
  async move(openProcessListeners: () => void): Promise<Summary | null> {
    if (!this.open) return null;
    await this.listeners();
    if (this.#processId !== null) this.#session.decide(this.#processId, null);
    openProcessListeners();
    this.#session.move(WINDOW);
    const startedMs = this.#o.nowMs();
    this.#left = await Promise.race([this.#ended.promise, this.#over.promise.then(() => null)]);
    this.#goodbye();
    const { outcome, why } = await this.#over.promise;
    // Each ends soon after the process at its other end.
    if (this.#channels > 0) await new Promise<void>((resolve) => (this.#onQuiet = resolve));
    return summarize(this.#took, { outcome, why, left: this.#left ?? -1, tookMs: this.#o.nowMs() - startedMs });
  }

  /** A data thread has taken all that came over a channel. */
  took(took: Took): void {
    const { log } = this.#o;
    this.#took.push(took);
    for (const reason of took.declined) log.warn("a connection stays with the predecessor", { reason });
    if (took.outcome !== "done")
      log.warn("a data thread took not everything", { outcome: took.outcome, reason: took.why });
    this.#channels -= 1;
    if (this.#channels === 0) this.#onQuiet?.();
    this.#goodbye();
  }

  /** When everything that was offered runs here, or stays there. */
  #goodbye(): void {
    if (this.#left !== null && this.#channels === 0) this.#session.bye();
  }

  // ---- TakerOwner

  welcomed(version: number): void {
    this.#version = version;
    this.#o.log.info("a predecessor hands over", { format: version });
    this.#welcome.resolve(true);
  }

  offered(offer: Offered): void {
    const state = fromVersion(this.#o.format, this.#version, offer.kind, offer.state);
    if (!state.ok) return this.#decline(offer, state.error.message);
    if (offer.name === PROCESS && offer.kind === "listeners") this.#processId = offer.id;
    else if (offer.name === PROCESS) this.#ofProcess(offer, state.value);
    else if (!this.#o.takes) this.#decline(offer, CANNOT_TAKE);
    else if (offer.kind === "connections") this.#decline(offer, "connections come over channels");
    else {
      const listeners = podListeners(state.value, offer.fds);
      if (listeners.ok) this.#lent.set(offer.name, { id: offer.id, listeners: listeners.value });
      else this.#decline(offer, listeners.error);
    }
  }

  #decline(offer: Offered, why: string): void {
    offer.fds.forEach(this.#o.closeFd);
    this.#session.decide(offer.id, why);
  }

  #ofProcess(offer: Offered, state: Uint8Array): void {
    const { threads } = this.#o;
    const read = decodeProcessOffer(state);
    const [fd, ...more] = offer.fds;
    if (!read.ok) return this.#decline(offer, read.error.message);
    if ((fd !== undefined) !== (read.value.t === "channel") || more.length > 0)
      return this.#decline(offer, "it has another number of descriptors than it needs");
    if (fd !== undefined && !this.#o.takes) return this.#decline(offer, CANNOT_TAKE);
    if (read.value.t === "totals") this.#totals = { id: offer.id, families: read.value.families };
    if (fd !== undefined) {
      this.#channels += 1;
      threads.sendTo(this.#next++ % threads.count, { t: "take", fd, version: this.#version });
    }
    this.#session.decide(offer.id, null);
  }

  /** Channels speak for themselves. */
  committed(id: number): void {
    if (this.#totals?.id === id) this.#o.onTotals(this.#totals.families);
  }

  letGo(): void {}

  listed(): void {
    this.#listed.resolve();
  }

  ended(left: number): void {
    this.#ended.resolve(left);
  }

  over(ending: Ending): void {
    this.#version = 0;
    this.#welcome.resolve(false);
    this.#listed.resolve();
    for (const { listeners } of this.#lent.values()) listeners.forEach(({ fd }) => this.#o.closeFd(fd));
    this.#lent.clear();
    if (ending.outcome !== "done")
      this.#o.log.warn("nothing more is taken over", { outcome: ending.outcome, reason: ending.why });
    this.#over.resolve(ending);
  }
}

function podListeners(state: Uint8Array, fds: readonly number[]): Result<readonly PodListener[], string> {
  const value = decodeCbor(state);
  const read = value.ok ? readPlain(value.value, "listeners of a pod", readListeners) : value;
  if (!read.ok) return fail(read.error.message);
  if (read.value.length !== fds.length) return fail("listeners and descriptors are not as many");
  return ok(read.value.map((l, i) => ({ ...l, fd: fds[i]! }))); // as many of both
}
