import type { Credentials } from "@lateen/datapath";
import { type OfferedSession, TICKET_LIFETIME_SEC } from "@lateen/linux";

/** A session that a client may resume, once. */
export interface ClientSession extends OfferedSession {
  /** When the peer last proved, in a full handshake, that it holds its key. Milliseconds since 1970. */
  readonly provenMs: number;
  /** How many offers in a row, the last one for this peer, it has answered with a full handshake. */
  readonly declined: number;
}

/** Whose sessions they are: only under the same credentials, with the same roots therefore, and for the same key. */
export interface SessionOwner {
  readonly credentials: Credentials;
  readonly key: string;
}

/** Sessions kept of one thread, of some 11 KiB each, and of one peer: as many as tunnels to it may be opened at once. */
const MAX_SESSIONS = 512;
const MAX_PER_PEER = 64;
/** For so long after a full handshake sessions that go back to it are resumed; then the peer proves itself again. */
export const MAX_PROOF_AGE_MS = TICKET_LIFETIME_SEC * 1000;

/**
 * Some servers give tickets and take none back, as Istio's ztunnel does. Ours may decline once for each of its threads, which do not
 * know the client's chain at first.
 */
export const MAX_DECLINED = 8;
/** For so long no session is kept for a peer with whom resuming one has failed; so many are remembered. */
const HOLD_OFF_MS = 600_000;
const MAX_HELD_OFF = 512;

/** Whether a proof of `provenMs` still counts. One of the future does not: the clock was set back. */
export const proofCounts = (provenMs: number, nowMs: number): boolean =>
  nowMs >= provenMs && nowMs - provenMs < MAX_PROOF_AGE_MS;

type Kept = ClientSession & { readonly untilMs: number };

/** The sessions that servers have given to this thread's clients. Each is given out once. */
export class ClientSessions implements Disposable {
  readonly #serials = new WeakMap<Credentials, number>();
  #nextSerial = 0;
  /** By owner, the least recently used first; the newest session of each last. */
  readonly #kept = new Map<string, Kept[]>();
  #count = 0;
  /** Until when nothing is kept, by owner; the oldest first. */
  readonly #heldOff = new Map<string, number>();

  /** Sessions kept. */
  get count(): number {
    return this.#count;
  }

  /** @returns the newest that is good; it is the caller's to free. Null when there is none */
  take(owner: SessionOwner, nowMs: number): ClientSession | null {
    const name = this.#name(owner);
    const sessions = this.#kept.get(name);
    if (sessions === undefined) return null;
    this.#kept.delete(name);
    let good: Kept | null = null;
    while (good === null && sessions.length > 0) good = this.#pop(sessions, nowMs);
    if (sessions.length > 0) this.#kept.set(name, sessions);
    return good;
  }

  /** A handshake that offered a session has failed, and the session may be why: goes without for a while. */
  failed(owner: SessionOwner, nowMs: number): void {
    const name = this.#name(owner);
    const sessions = this.#kept.get(name) ?? [];
    while (sessions.length > 0) this.#drop(sessions);
    this.#kept.delete(name);
    this.#heldOff.delete(name);
    this.#heldOff.set(name, nowMs + HOLD_OFF_MS);
    if (this.#heldOff.size > MAX_HELD_OFF) this.#heldOff.delete(this.#heldOff.keys().next().value ?? "");
  }

  /** Whether a session of this owner would be kept. */
  wants(owner: SessionOwner, nowMs: number): boolean {
    const until = this.#heldOff.get(this.#name(owner));
    return until === undefined || nowMs >= until;
  }

  /** Takes a session, to free it or to give it out. */
  keep(owner: SessionOwner, session: ClientSession, nowMs: number): void {
    const name = this.#name(owner);
    const sessions = this.#kept.get(name) ?? [];
    const untilMs = nowMs + session.session.lifetimeSec * 1000;
    sessions.push({ ...session, untilMs });
    this.#count += 1;
    if (sessions.length > MAX_PER_PEER) this.#drop(sessions);
    this.#kept.delete(name);
    this.#kept.set(name, sessions);
    while (this.#count > MAX_SESSIONS) this.#dropOldest();
  }

  [Symbol.dispose](): void {
    while (this.#count > 0) this.#dropOldest();
  }

  #pop(sessions: Kept[], nowMs: number): Kept | null {
    const last = sessions.pop();
    if (last === undefined) return null;
    this.#count -= 1;
    if (nowMs < last.untilMs && proofCounts(last.provenMs, nowMs)) return last;
    last.session.free();
    return null;
  }

  #dropOldest(): void {
    const [oldest] = this.#kept;
    if (oldest === undefined) return;
    const [name, sessions] = oldest;
    this.#drop(sessions);
    if (sessions.length === 0) this.#kept.delete(name);
  }

  #drop(sessions: Kept[]): void {
    const first = sessions.shift();
    if (first === undefined) return;
    this.#count -= 1;
    first.session.free();
  }

  #name({ credentials, key }: SessionOwner): string {
    let serial = this.#serials.get(credentials);
    if (serial === undefined) {
      serial = this.#nextSerial++;
      this.#serials.set(credentials, serial);
    }
    return `${serial} ${key}`;
  }
}
