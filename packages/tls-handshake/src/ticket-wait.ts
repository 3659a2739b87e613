import type { TlsConnection, TlsSession } from "@lateen/linux";
import type { TicketReader } from "@lateen/tls-records";

/** A ticket may be cut into records, however unlikely; none of ours is. */
const MAX_RECORDS = 4;

/**
 * A client's handshake that is over, kept until the server's ticket has come: only OpenSSL can make a session of it. Its objects
 * take some 40 KiB, so it goes at the first record of another kind.
 */
export class TicketWait implements TicketReader {
  readonly #connection: TlsConnection;
  readonly #took: (session: TlsSession) => void;
  readonly #over: (wait: TicketWait) => void;
  #left = MAX_RECORDS;

  constructor(connection: TlsConnection, took: (session: TlsSession) => void, over: (wait: TicketWait) => void) {
    this.#connection = connection;
    this.#took = took;
    this.#over = over;
  }

  read(record: Uint8Array): boolean {
    this.#left -= 1;
    const session = this.#connection.takeSession(record);
    if (session === null) return this.#left > 0;
    this.#took(session);
    return false; // one for each connection that was made
  }

  end(): void {
    this.#connection.free();
    this.#over(this);
  }
}
