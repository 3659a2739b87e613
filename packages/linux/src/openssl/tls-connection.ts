import { Buffer } from "node:buffer";
import { Code, MeshError } from "@lateen/errors";
import { checkBytes } from "../checks.ts";
import type { Memory } from "../memory.ts";
import { type Pointer, openssl } from "./native-openssl.ts";
import { opensslBug, takeOpensslError } from "./openssl-error.ts";
import type { Refusal } from "./refusal.ts";
import { MAX_TICKET_DATA, type OfferedSession, type TicketKeeper } from "./resumption.ts";
import { type TlsContext, encodeProtocols } from "./tls-context.ts";
import { TlsSession } from "./tls-session.ts";

export interface TlsConnectionOptions {
  readonly context: TlsContext;
  readonly role: "client" | "server";
  /** Offered by a client; a server takes the first of its own that was offered, and fails without one. */
  readonly alpn: readonly string[];
  /**
   * Judges the peer's certificates, leaf first, inside the handshake; nothing else has judged them but that the peer holds the
   * leaf's key, or held it in the handshake that a session goes back to. What it throws refuses. A session of whose peer it says no is
   * not resumed: it is asked again for what the peer shows in a full handshake.
   */
  readonly judge: (chainDer: readonly Uint8Array[]) => Refusal | null;
  /** A client's. */
  readonly offer?: OfferedSession;
  /** A server's, of a context with tickets; without it none is sent, and none is taken. */
  readonly tickets?: TicketKeeper;
}

const WANT_READ = 2;
/** Where a protocol's name goes, behind a pointer and a length. */
const ALPN_AT = 16;
/** SSL_SENT_SHUTDOWN and SSL_RECEIVED_SHUTDOWN: a connection that is freed without them takes its sessions with it. */
const SHUT_DOWN = 1 | 2;
const MAX_INPUT = 0x7fff_ffff;
const MAX_OUTPUT = 1024 * 1024;
const HEX_SECRET = /^(?:CLIENT|SERVER)_TRAFFIC_SECRET_0 [0-9a-f]{64} ([0-9a-f]{64}|[0-9a-f]{96})$/i;

/** Where content would go that is not there. */
const NOWHERE = Buffer.alloc(1);

/** Sets the connection that callbacks belong to while OpenSSL runs. */
export type During = (connection: TlsConnection, run: () => number) => number;

/** One handshake over memory: bytes of the peer in, bytes for the peer out. Free it. */
export class TlsConnection {
  readonly role: "client" | "server";
  /** Own protocols as ALPN has them. */
  readonly protocols: Buffer;
  /** The peer's certificates, leaf first, once judged; of a resumed session those of the handshake that it goes back to. */
  peerChainDer: readonly Uint8Array[] = [];
  refusal: Refusal | null = null;
  /** The judge was asked, and accepted. A handshake that is done without this must not be used. */
  accepted = false;
  /** After "done": nobody has shown a certificate, both have gone on with a session. */
  resumed = false;
  /** What the judge has thrown; the peer was refused. */
  thrown: unknown = null;
  /** After "failed": in words, lower case. */
  why = "";
  /** Traffic secrets, empty until known. */
  clientSecret: Buffer = Buffer.alloc(0);
  serverSecret: Buffer = Buffer.alloc(0);
  readonly #ssl = openssl();
  readonly #judge: TlsConnectionOptions["judge"];
  readonly #during: During;
  readonly #scratch: Memory;
  readonly #tickets: TicketKeeper | null;
  /** The certificates of the session that may be resumed, accepted by the judge in this handshake. */
  #resumable: readonly Uint8Array[] | null = null;
  #pointer: Pointer;
  #readBio: Pointer = 0;
  #writeBio: Pointer = 0;

  /** @param scratch of 271 bytes at least, free whenever none of OpenSSL's functions runs */
  constructor(o: TlsConnectionOptions, during: During, scratch: Memory) {
    this.role = o.role;
    this.protocols = encodeProtocols(o.alpn);
    this.#judge = o.judge;
    this.#during = during;
    this.#scratch = scratch;
    this.#tickets = o.tickets ?? null;
    this.#pointer = this.#ssl.sslNew(o.context.pointer);
    if (this.#pointer === 0) throw opensslBug("SSL_new");
    try {
      this.#setUp();
      if (o.offer !== undefined) this.#offer(o.offer);
    } catch (e) {
      this.free();
      throw e;
    }
  }

  /**
   * Takes bytes of the peer and goes as far as they allow. Then `output` has what to send, after "failed" too (the alert).
   * @returns "more" when it waits for the peer
   */
  step(input: Uint8Array | null): "more" | "done" | "failed" {
    const ssl = this.#ssl;
    const pointer = this.#live();
    if (input !== null && input.length > 0) {
      checkBytes("input", input, MAX_INPUT);
      if (ssl.bioWrite(this.#readBio, input, input.byteLength) !== input.byteLength) throw opensslBug("BIO_write");
    }
    ssl.errClear(); // the queue is shared with node:crypto, and what is in it would pass for an error of ours
    const result = this.#during(this, () => ssl.sslDoHandshake(pointer));
    if (result === 1) {
      this.#conclude(pointer);
      return "done";
    }
    if (ssl.sslGetError(pointer, result) === WANT_READ) return "more";
    this.why = takeOpensslError() || "handshake failed";
    return "failed";
  }

  /** Takes what is to be sent; empty when there is nothing. */
  output(): Buffer {
    this.#live();
    return this.#drain(this.#writeBio);
  }

  /** Takes what came behind the handshake and is not OpenSSL's any more, a record cut off in the middle included. */
  leftover(): Buffer {
    this.#live();
    return this.#drain(this.#readBio);
  }

  /** The suite's number on the wire. Only after "done". */
  suite(): number {
    const cipher = this.#ssl.sslGetCurrentCipher(this.#live());
    if (cipher === 0) throw new MeshError(Code.Bug, "Cannot tell the suite: the handshake is not done");
    return this.#ssl.cipherProtocolId(cipher);
  }

  /** The protocol that both agreed to, null for none. Only after "done". */
  alpn(): string | null {
    const { bytes, address } = this.#scratch;
    bytes.fill(0, 0, ALPN_AT);
    this.#ssl.sslGetAlpn(this.#live(), address, address + 8);
    const length = bytes.readUInt32LE(8);
    if (length === 0 || length > 255) return null;
    this.#ssl.memcpy(address + ALPN_AT, Number(bytes.readBigUInt64LE(0)), length);
    return bytes.toString("latin1", ALPN_AT, ALPN_AT + length);
  }

  /** For `TlsLibrary` only. */
  judge(chain: readonly Uint8Array[]): Refusal | null {
    this.accepted = false;
    this.peerChainDer = chain;
    this.refusal = this.#judge(chain);
    this.accepted = this.refusal === null;
    if (this.accepted && this.role === "server") this.#writeTicket(chain);
    return this.refusal;
  }

  /**
   * For `TlsLibrary` only.
   * @param data what a ticket says that this server has once sent, to whoever sends it now
   * @returns whether the session is resumed; otherwise the peer has to show who it is
   */
  mayResume(data: Uint8Array): boolean {
    const chain = this.#tickets?.read(data) ?? null;
    this.#resumable = chain !== null && this.#judge(chain) === null ? chain : null;
    return this.#resumable !== null;
  }

  /** For `TlsLibrary` only: a ticket that was looked at before is not the one to resume. */
  forgetTicket(): void {
    this.#resumable = null;
  }

  /**
   * Reads a record that came behind a client's handshake, of whose content it is known that it is tickets. It must be given every
   * such record, in order, up to the one with the ticket, and no other.
   * @returns null when the ticket is not complete, or there is none
   */
  takeSession(record: Uint8Array): TlsSession | null {
    const ssl = this.#ssl;
    const pointer = this.#live();
    checkBytes("record", record, MAX_INPUT);
    if (ssl.bioWrite(this.#readBio, record, record.byteLength) !== record.byteLength) throw opensslBug("BIO_write");
    ssl.errClear();
    const before = ssl.sslTakeSession(pointer); // held, so that no other has its address
    const result = this.#during(this, () => ssl.sslRead(pointer, NOWHERE, NOWHERE.length));
    const idle = result <= 0 && ssl.sslGetError(pointer, result) === WANT_READ;
    ssl.errClear();
    const changed = ssl.sslGetSession(pointer) !== before; // each ticket makes a session of its own
    if (before !== 0) ssl.sessionFree(before);
    const session = idle && changed ? ssl.sslTakeSession(pointer) : 0;
    if (session === 0) return null;
    ssl.sslSetShutdown(pointer, SHUT_DOWN);
    if (ssl.sessionIsResumable(session) === 1) return new TlsSession(session);
    ssl.sessionFree(session);
    return null;
  }

  /** For `TlsLibrary` only. @param line of OpenSSL's key log; secrets other than those of the traffic are passed over */
  takeSecret(line: string): void {
    const secret = HEX_SECRET.exec(line)?.[1];
    if (secret === undefined) return;
    if (line.startsWith("CLIENT")) this.clientSecret = Buffer.from(secret, "hex");
    else this.serverSecret = Buffer.from(secret, "hex");
  }

  /** Idempotent. */
  free(): void {
    const pointer = this.#pointer;
    this.#pointer = 0;
    if (pointer !== 0) this.#ssl.sslFree(pointer); // with both BIOs
    this.clientSecret.fill(0);
    this.serverSecret.fill(0);
  }

  /** In a resumed handshake nobody has shown certificates: what counts is the verdict on those of the session. */
  #conclude(pointer: Pointer): void {
    this.resumed = this.#ssl.sslSessionReused(pointer) === 1;
    if (!this.resumed) return;
    this.accepted = this.#resumable !== null;
    this.peerChainDer = this.#resumable ?? [];
  }

  #offer({ session, chainDer }: OfferedSession): void {
    try {
      if (this.#judge(chainDer) !== null) return;
    } catch {
      return; // it says so again to the peer's certificates
    }
    this.#ssl.errClear();
    if (this.#ssl.sslSetSession(this.#pointer, session.pointer) !== 1) throw opensslBug("SSL_set_session");
    this.#resumable = chainDer;
  }

  #writeTicket(chain: readonly Uint8Array[]): void {
    const ssl = this.#ssl;
    const pointer = this.#live();
    const data = this.#ticketData(chain);
    const session = ssl.sslGetSession(pointer);
    if (data !== null && session !== 0 && ssl.sessionSetTicketData(session, data, data.byteLength) === 1) return;
    ssl.sslSetNumTickets(pointer, 0);
  }

  #ticketData(chain: readonly Uint8Array[]): Uint8Array | null {
    try {
      const data = this.#tickets?.write(chain) ?? null;
      if (data !== null) checkBytes("ticket data", data, MAX_TICKET_DATA);
      return data;
    } catch {
      return null; // the handshake goes well without a ticket
    }
  }

  #setUp(): void {
    const ssl = this.#ssl;
    const [read, write] = [ssl.bioNew(ssl.bioMem()), ssl.bioNew(ssl.bioMem())];
    if (read === 0 || write === 0) {
      for (const bio of [read, write]) if (bio !== 0) ssl.bioFree(bio);
      throw opensslBug("BIO_new");
    }
    this.#readBio = read;
    this.#writeBio = write;
    ssl.sslSetBio(this.#pointer, read, write);
    if (this.role === "server") {
      ssl.sslSetAcceptState(this.#pointer);
      return;
    }
    ssl.sslSetConnectState(this.#pointer);
    const { protocols } = this;
    if (protocols.length > 0 && ssl.sslSetAlpnProtos(this.#pointer, protocols, protocols.length) !== 0)
      throw opensslBug("SSL_set_alpn_protos"); // 0 is success here
  }

  #drain(bio: Pointer): Buffer {
    const pending = this.#ssl.bioPending(bio);
    if (pending === 0) return Buffer.alloc(0);
    if (pending > MAX_OUTPUT) throw new MeshError(Code.Bug, `Cannot take ${pending} bytes out of a handshake`);
    const bytes = Buffer.allocUnsafe(pending);
    if (this.#ssl.bioRead(bio, bytes, pending) !== pending) throw opensslBug("BIO_read");
    return bytes;
  }

  #live(): Pointer {
    if (this.#pointer === 0) throw new MeshError(Code.Bug, "Cannot use a TLS connection that was freed");
    return this.#pointer;
  }
}
