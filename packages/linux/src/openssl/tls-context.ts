import { Buffer } from "node:buffer";
import { Code, MeshError } from "@lateen/errors";
import { cString, checkBytes } from "../checks.ts";
import { Memory } from "../memory.ts";
import { type Pointer, openssl } from "./native-openssl.ts";
import { opensslBug, takeOpensslError } from "./openssl-error.ts";

/** Numbers of OpenSSL's headers. */
const SET_MIN_VERSION = 123;
const SET_MAX_VERSION = 124;
const SET_GROUPS = 92;
const SET_SESSION_CACHE = 44;
const SET_MAX_CERT_LIST = 51;
const SET_TICKET_KEYS = 59;
const ADD_CHAIN_CERTIFICATE = 89;
const TLS_1_3 = 0x304;
/** Peer's certificate wanted, and its absence an error. */
const VERIFY_PEER = 1 | 2;
const OP_CIPHER_SERVER_PREFERENCE = 2 ** 22;
/** Compressing the chain at every handshake costs more than the rest of it. */
const OP_NO_CERTIFICATE_COMPRESSION = 2 ** 32 + 2 ** 33;

export const DEFAULT_SUITES = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
export const DEFAULT_GROUPS = "X25519:P-256";
/** Of a peer's certificates together. */
const MAX_CHAIN_BYTES = 65_536;
/** Tells our sessions from those of other programs; OpenSSL refuses to resume one without it. */
const SESSION_CONTEXT = Buffer.from("lateen");
/** A name of 16 bytes, then two keys of 32. */
export const TICKET_KEYS_BYTES = 80;
/** For how long a ticket is good, as told to clients and as held to. */
export const TICKET_LIFETIME_SEC = 3600;

export interface TlsContextOptions {
  /** Leaf first, then intermediates. */
  readonly chainDer: readonly Uint8Array[];
  /** PKCS#8, or what an EC or RSA key is in by itself. */
  readonly keyDer: Uint8Array;
  /** In OpenSSL's names, best first. */
  readonly suites?: string;
  /** In OpenSSL's names, best first; `X25519MLKEM768` is one. */
  readonly groups?: string;
  /** Session tickets that a server sends after each full handshake (one after a resumed one); 0 by default. */
  readonly tickets?: number;
  /** `TICKET_KEYS_BYTES` under which a server encrypts its tickets; random, and of this context alone, when absent. */
  readonly ticketKeys?: Uint8Array;
}

/** Addresses of the callbacks, see `TlsLibrary`. */
export interface ContextCallbacks {
  readonly keylog: Pointer;
  readonly verify: Pointer;
  readonly alpn: Pointer;
  readonly ticket: Pointer;
}

/**
 * Own certificate and key, and the rules of a handshake: TLS 1.3 only, both sides show a certificate, or resume a session in
 * which they did, with a new key exchange and without early data. Serves both roles and any number of connections. Free it; connections made before live on.
 */
export class TlsContext {
  readonly #ssl = openssl();
  #pointer: Pointer;

  /** @throws MeshError BAD_INPUT when chain or key cannot be used, or do not belong together */
  constructor(o: TlsContextOptions, callbacks: ContextCallbacks) {
    this.#ssl.errClear();
    this.#pointer = this.#ssl.ctxNew(this.#ssl.tlsMethod());
    if (this.#pointer === 0) throw opensslBug("SSL_CTX_new");
    try {
      this.#setRules(o);
      this.#setTickets(o);
      this.#setCallbacks(callbacks);
      this.#useChain(o.chainDer);
      this.#useKey(o.keyDer);
    } catch (e) {
      this.free();
      throw e;
    }
  }

  /** @throws MeshError BUG when it was freed */
  get pointer(): Pointer {
    if (this.#pointer === 0) throw new MeshError(Code.Bug, "Cannot use a TLS context that was freed");
    return this.#pointer;
  }

  /** Idempotent. */
  free(): void {
    const pointer = this.#pointer;
    this.#pointer = 0;
    if (pointer !== 0) this.#ssl.ctxFree(pointer);
  }

  #setRules(o: TlsContextOptions): void {
    const ssl = this.#ssl;
    const ctx = this.#pointer;
    const suites = cString(o.suites ?? DEFAULT_SUITES);
    const groups = cString(o.groups ?? DEFAULT_GROUPS);
    const fits =
      ssl.ctxCtrl(ctx, SET_MIN_VERSION, TLS_1_3, 0) === 1 &&
      ssl.ctxCtrl(ctx, SET_MAX_VERSION, TLS_1_3, 0) === 1 &&
      ssl.ctxSetMaxEarlyData(ctx, 0) === 1;
    if (!fits) throw opensslBug("SSL_CTX_ctrl");
    if (ssl.ctxSetCiphersuites(ctx, suites) !== 1) throw unusable("the suites are unknown");
    if (ssl.ctxCtrlText(ctx, SET_GROUPS, 0, groups) !== 1) throw unusable("the groups are unknown");
    ssl.ctxCtrl(ctx, SET_SESSION_CACHE, 0, 0);
    ssl.ctxCtrl(ctx, SET_MAX_CERT_LIST, MAX_CHAIN_BYTES, 0);
    ssl.ctxSetOptions(ctx, OP_NO_CERTIFICATE_COMPRESSION + OP_CIPHER_SERVER_PREFERENCE);
  }

  #setTickets(o: TlsContextOptions): void {
    const ssl = this.#ssl;
    const ctx = this.#pointer;
    const { ticketKeys } = o;
    ssl.ctxSetTimeout(ctx, TICKET_LIFETIME_SEC);
    const fits =
      ssl.ctxSetNumTickets(ctx, o.tickets ?? 0) === 1 &&
      ssl.ctxSetSessionIdContext(ctx, SESSION_CONTEXT, SESSION_CONTEXT.length) === 1;
    if (!fits) throw opensslBug("SSL_CTX_set_num_tickets");
    if (ticketKeys === undefined) return;
    checkBytes("ticket keys", ticketKeys);
    if (ticketKeys.byteLength !== TICKET_KEYS_BYTES)
      throw new MeshError(Code.Bug, "Cannot use ticket keys: wrong length");
    if (ssl.ctxCtrlText(ctx, SET_TICKET_KEYS, TICKET_KEYS_BYTES, ticketKeys) !== 1) throw opensslBug("SSL_CTX_ctrl");
  }

  #setCallbacks(callbacks: ContextCallbacks): void {
    const ssl = this.#ssl;
    const ctx = this.#pointer;
    ssl.ctxSetVerify(ctx, VERIFY_PEER, 0);
    ssl.ctxSetCertVerifyCallback(ctx, callbacks.verify, 0);
    ssl.ctxSetKeylogCallback(ctx, callbacks.keylog);
    ssl.ctxSetAlpnSelectCallback(ctx, callbacks.alpn, 0);
    if (ssl.ctxSetTicketCallback(ctx, 0, callbacks.ticket, 0) !== 1) throw opensslBug("SSL_CTX_set_session_ticket_cb");
  }

  #useChain(chain: readonly Uint8Array[]): void {
    const ssl = this.#ssl;
    const [leaf, ...rest] = chain;
    if (leaf === undefined) throw unusable("no certificate given");
    checkBytes("certificate", leaf, MAX_CHAIN_BYTES);
    if (ssl.ctxUseCertificate(this.#pointer, leaf.byteLength, leaf) !== 1) throw unusable(takeOpensslError());
    for (const der of rest) {
      const certificate = decode(der, ssl.decodeX509);
      const added = ssl.ctxCtrl(this.#pointer, ADD_CHAIN_CERTIFICATE, 1, certificate); // holds a reference of its own
      ssl.x509Free(certificate);
      if (added !== 1) throw unusable(takeOpensslError());
    }
  }

  #useKey(der: Uint8Array): void {
    const ssl = this.#ssl;
    const key = decode(der, ssl.decodeKey);
    const used = ssl.ctxUseKey(this.#pointer, key) === 1 && ssl.ctxCheckKey(this.#pointer) === 1;
    ssl.keyFree(key);
    if (!used) throw unusable(takeOpensslError());
  }
}

const POINTER_BYTES = 8;

/** Runs a `d2i_` function over the whole of `der`. The copy that C reads is wiped: it may be a private key. */
function decode(der: Uint8Array, run: (nothing: Pointer, at: Pointer, length: number) => Pointer): Pointer {
  checkBytes("DER", der, MAX_CHAIN_BYTES);
  const memory = new Memory(POINTER_BYTES + der.byteLength);
  const { bytes, address } = memory;
  bytes.set(der, POINTER_BYTES);
  bytes.writeBigUInt64LE(BigInt(address + POINTER_BYTES), 0);
  const object = run(0, address, der.byteLength);
  bytes.fill(0, POINTER_BYTES);
  if (object === 0) throw unusable(takeOpensslError());
  return object;
}

function unusable(why: string): MeshError {
  openssl().errClear();
  return new MeshError(Code.BadInput, `Cannot use credentials: ${why}`);
}

/** Protocol names as ALPN has them on the wire. @throws MeshError BAD_INPUT when one is empty or too long */
export function encodeProtocols(names: readonly string[]): Buffer {
  const parts = names.map((name) => {
    const bytes = Buffer.from(name, "latin1");
    if (bytes.length === 0 || bytes.length > 255)
      throw new MeshError(Code.BadInput, `Cannot offer protocol ${JSON.stringify(name)}: it has a wrong length`);
    return Buffer.concat([Buffer.of(bytes.length), bytes]);
  });
  return Buffer.concat(parts);
}
