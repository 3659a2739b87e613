import type { TlsSession } from "./tls-session.ts";

/** A session that a client offers to resume, and who the peer was in the full handshake that it goes back to. */
export interface OfferedSession {
  /** Stays the caller's, who must not offer it again. */
  readonly session: TlsSession;
  /** Leaf first. Judged again before the offer: what is refused now is not offered. */
  readonly chainDer: readonly Uint8Array[];
}

/** What a server puts into its tickets, and what it makes of those that come back. What either throws counts as null. */
export interface TicketKeeper {
  /**
   * Asked once the judge has accepted a client's certificates.
   * @returns what the ticket is to say of them, at most `MAX_TICKET_DATA` bytes; null to send none
   */
  readonly write: (chainDer: readonly Uint8Array[]) => Uint8Array | null;
  /**
   * Asked for a ticket that this server's keys have decrypted.
   * @returns the certificates that the client showed when it was given the first ticket, to be judged again; null when they cannot
   * be told any more: then the handshake is a full one
   */
  readonly read: (data: Uint8Array) => readonly Uint8Array[] | null;
}

export const MAX_TICKET_DATA = 256;

/** SSL_TICKET_STATUS: it decrypted; the same, and another ticket should be sent. */
const SUCCESS = 5;
const SUCCESS_RENEW = 6;
/** SSL_TICKET_RETURN: a full handshake, with another ticket at its end; resume, likewise. */
export const TICKET_IGNORED = 2;
export const TICKET_USED = 4;

export const decrypted = (status: number): boolean => status === SUCCESS || status === SUCCESS_RENEW;
