import { Buffer } from "node:buffer";
import { Code, MeshError } from "@lateen/errors";
import { Memory } from "../memory.ts";
import { type AlpnOffer, type Callback, type OfferedTicket, type Pointer, openssl } from "./native-openssl.ts";
import { REFUSAL } from "./refusal.ts";
import { MAX_TICKET_DATA, TICKET_IGNORED, TICKET_USED, decrypted } from "./resumption.ts";
import { TlsConnection, type TlsConnectionOptions } from "./tls-connection.ts";
import { TlsContext, type TlsContextOptions } from "./tls-context.ts";

const MAX_CHAIN = 16;
const MAX_DER_BYTES = 65_536;
const MAX_PROTOCOLS_BYTES = 65_536;
const POINTER_BYTES = 8;

/** What OpenSSL's callback for ALPN says. */
const ALPN_OK = 0;
const ALPN_FATAL = 2;
const NEGOTIATED = 1;

const UNSPECIFIED = 1;

/**
 * The TLS of OpenSSL for one thread. Callbacks are registered once, here, and run inside `TlsConnection.step`; whatever one
 * throws is caught and refuses. Dispose it before the thread ends: registered callbacks outlive it.
 */
export class TlsLibrary implements Disposable {
  readonly #ssl = openssl();
  readonly #scratch = new Memory(POINTER_BYTES + Math.max(MAX_DER_BYTES, MAX_PROTOCOLS_BYTES));
  readonly #keylog: Callback;
  readonly #verify: Callback;
  readonly #alpn: Callback;
  readonly #ticket: Callback;
  #current: TlsConnection | null = null;
  #open = true;

  constructor() {
    this.#keylog = this.#ssl.keylogCallback((_ssl, line) => this.#onKeylog(line));
    this.#verify = this.#ssl.verifyCallback((storeCtx) => this.#onVerify(storeCtx));
    this.#alpn = this.#ssl.alpnCallback((offer) => this.#onAlpn(offer));
    this.#ticket = this.#ssl.ticketCallback((offered) => this.#onTicket(offered));
  }

  /** @throws MeshError BAD_INPUT when chain or key cannot be used, or do not belong together */
  context(o: TlsContextOptions): TlsContext {
    this.#checkOpen();
    const [keylog, verify] = [this.#keylog.address, this.#verify.address];
    return new TlsContext(o, { keylog, verify, alpn: this.#alpn.address, ticket: this.#ticket.address });
  }

  connection(o: TlsConnectionOptions): TlsConnection {
    this.#checkOpen();
    return new TlsConnection(o, (connection, run) => this.#during(connection, run), this.#scratch);
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    for (const callback of [this.#keylog, this.#verify, this.#alpn, this.#ticket]) callback.unregister();
  }

  /** Callbacks belong to the connection whose call into OpenSSL is running. */
  #during(connection: TlsConnection, run: () => number): number {
    this.#checkOpen();
    const before = this.#current;
    this.#current = connection;
    try {
      return run();
    } finally {
      this.#current = before;
    }
  }

  #onKeylog(line: string): void {
    try {
      this.#current?.takeSecret(line);
    } catch {
      // a secret that was not taken fails the take-over, closed
    }
  }

  #onVerify(storeCtx: Pointer): number {
    const connection = this.#current;
    if (connection === null) return 0;
    try {
      const refusal = connection.judge(this.#readChain(storeCtx));
      this.#ssl.storeCtxSetError(storeCtx, refusal === null ? 0 : REFUSAL[refusal.kind]);
      return refusal === null ? 1 : 0;
    } catch (e) {
      connection.thrown = e;
      this.#ssl.storeCtxSetError(storeCtx, UNSPECIFIED);
      return 0;
    }
  }

  #readChain(storeCtx: Pointer): readonly Uint8Array[] {
    const stack = this.#ssl.storeCtxUntrusted(storeCtx);
    const count = stack === 0 ? 0 : this.#ssl.stackCount(stack);
    if (count > MAX_CHAIN) throw new MeshError(Code.BadInput, `Cannot read chain: more than ${MAX_CHAIN} certificates`);
    return Array.from({ length: Math.max(0, count) }, (_, i) => this.#encode(this.#ssl.stackValue(stack, i)));
  }

  #encode(certificate: Pointer): Uint8Array {
    const length = this.#ssl.encodeX509(certificate, 0);
    if (length <= 0 || length > MAX_DER_BYTES)
      throw new MeshError(Code.BadInput, `Cannot read certificate: ${length} bytes`);
    const { bytes, address } = this.#scratch;
    bytes.writeBigUInt64LE(BigInt(address + POINTER_BYTES), 0);
    if (this.#ssl.encodeX509(certificate, address) !== length)
      throw new MeshError(Code.Bug, "Cannot read certificate: its length changed");
    return Uint8Array.from(bytes.subarray(POINTER_BYTES, POINTER_BYTES + length));
  }

  #onAlpn(o: AlpnOffer): number {
    try {
      const protocols = this.#current?.protocols ?? Buffer.alloc(0);
      if (protocols.length === 0 || protocols.length > MAX_PROTOCOLS_BYTES) return ALPN_FATAL;
      const { bytes, address } = this.#scratch;
      bytes.set(protocols);
      // OpenSSL copies what is selected before anything else uses this memory.
      const r = this.#ssl.selectProtocol(o.out, o.outLength, address, protocols.length, o.offered, o.length);
      return r === NEGOTIATED ? ALPN_OK : ALPN_FATAL;
    } catch {
      return ALPN_FATAL; // an exception would come out as 0, which is consent
    }
  }

  /** Never refuses: whoever may not resume goes through a full handshake, and is refused there. */
  #onTicket({ session, status }: OfferedTicket): number {
    try {
      this.#current?.forgetTicket();
      if (!decrypted(status)) return TICKET_IGNORED;
      const data = this.#ticketData(session);
      return data !== null && this.#current?.mayResume(data) === true ? TICKET_USED : TICKET_IGNORED;
    } catch {
      return TICKET_IGNORED;
    }
  }

  #ticketData(session: Pointer): Uint8Array | null {
    const { bytes, address } = this.#scratch;
    bytes.fill(0, 0, 2 * POINTER_BYTES);
    if (this.#ssl.sessionTicketData(session, address, address + POINTER_BYTES) !== 1) return null;
    const from = Number(bytes.readBigUInt64LE(0));
    const length = Number(bytes.readBigUInt64LE(POINTER_BYTES));
    if (from === 0 || length === 0 || length > MAX_TICKET_DATA) return null;
    this.#ssl.memcpy(address + 2 * POINTER_BYTES, from, length);
    return Uint8Array.from(bytes.subarray(2 * POINTER_BYTES, 2 * POINTER_BYTES + length));
  }

  #checkOpen(): void {
    if (!this.#open) throw new MeshError(Code.Bug, "Cannot use TLS: the library of this thread was disposed");
  }
}
