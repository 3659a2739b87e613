import { Buffer } from "node:buffer";
import { createHash, hkdfSync, randomBytes } from "node:crypto";
import { Roster } from "@lateen/lifecycle";
import type { Memory, TicketKeeper, TlsConnection } from "@lateen/linux";
import { TICKET_KEYS_BYTES } from "@lateen/linux";
import type { TlsRecords } from "@lateen/tls-records";
import { type ClientSession, ClientSessions, MAX_DECLINED, type SessionOwner } from "./client-sessions.ts";
import { TicketChains } from "./ticket-chains.ts";
import { TicketWait } from "./ticket-wait.ts";
import type { TlsCredentials } from "./tls-credentials.ts";

export interface ResumptionOptions {
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: () => number;
  /** Of equal certificates the same value, so that each is in memory once. */
  readonly shared: (der: Uint8Array) => Uint8Array;
  /** Of it the keys of tickets are made; engines that have the same take each other's tickets. */
  readonly secret?: Uint8Array;
}

/** Handshakes that are over and wait for their ticket. */
const MAX_WAITING = 256;
const SECRET_BYTES = 32;

/** The sessions of one data thread: tickets of its servers, sessions of its clients. Dispose it after the last connection. */
export class Resumption implements Disposable {
  readonly keeper: TicketKeeper;
  readonly #options: ResumptionOptions;
  readonly #secret: Uint8Array;
  readonly #sessions = new ClientSessions();
  readonly #waiting = new Roster<TicketWait>();

  constructor(options: ResumptionOptions) {
    this.#options = options;
    this.#secret = options.secret ?? randomBytes(SECRET_BYTES);
    this.keeper = new TicketChains(options.nowMs).keeper(options.shared);
  }

  /** Sessions kept, and handshakes that wait for one. */
  get held(): { readonly sessions: number; readonly waiting: number } {
    return { sessions: this.#sessions.count, waiting: this.#waiting.size };
  }

  /** Keys of tickets that are good under these credentials only: the same certificates, key and roots. */
  ticketKeys({ chainDer, keyDer, roots }: TlsCredentials): Uint8Array {
    const digest = createHash("sha256");
    for (const der of [keyDer, ...chainDer, Buffer.alloc(0), ...roots.map((r) => r.der)])
      digest.update(`${der.length} `).update(der);
    return new Uint8Array(
      hkdfSync("sha256", this.#secret, digest.digest(), "lateen session tickets", TICKET_KEYS_BYTES),
    );
  }

  /** A session to offer, which is not given out again. Free it once it was offered. */
  take(owner: SessionOwner): ClientSession | null {
    return this.#sessions.take(owner, this.#options.nowMs());
  }

  /** A handshake that offered a session has failed, and not because the peer was refused; or the peer takes none. */
  failed(owner: SessionOwner): void {
    this.#sessions.failed(owner, this.#options.nowMs());
  }

  /**
   * Keeps the connection of a client until its server has sent a ticket, or anything else.
   * @param offered the session that this handshake began with, null for none
   * @returns false when too many wait, or none is wanted: then the connection stays the caller's
   */
  awaitTicket(
    owner: SessionOwner,
    connection: TlsConnection,
    records: TlsRecords<Memory>,
    offered: ClientSession | null,
  ): boolean {
    const { nowMs, shared } = this.#options;
    const declined = offered === null || connection.resumed ? 0 : offered.declined + 1;
    if (declined >= MAX_DECLINED) this.failed(owner);
    if (this.#waiting.size >= MAX_WAITING || !this.#sessions.wants(owner, nowMs())) return false;
    const provenMs = connection.resumed && offered !== null ? offered.provenMs : nowMs();
    const chainDer = connection.peerChainDer.map(shared);
    const wait = new TicketWait(
      connection,
      (session) => this.#sessions.keep(owner, { session, chainDer, provenMs, declined }, nowMs()),
      () => this.#waiting.remove(seat),
    );
    const seat = this.#waiting.add(wait);
    records.opener.wantTickets(wait);
    return true;
  }

  [Symbol.dispose](): void {
    for (const wait of this.#waiting.members()) wait.end();
    this.#sessions[Symbol.dispose]();
  }
}
