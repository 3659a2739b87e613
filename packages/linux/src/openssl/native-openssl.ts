import type * as KoffiModule from "koffi";
import { type Bytes, openKoffi } from "../native.ts";

/** A C function's address that JavaScript answers. */
export interface Callback {
  readonly address: Pointer;
  unregister(): void;
}

/** The arguments of OpenSSL's callback that selects a protocol. */
export interface AlpnOffer {
  readonly out: Pointer;
  readonly outLength: Pointer;
  readonly offered: Pointer;
  readonly length: number;
}

/** The arguments of OpenSSL's callback that says whether a session is resumed. */
export interface OfferedTicket {
  readonly session: Pointer;
  /** What decrypting it came to, an SSL_TICKET_STATUS. */
  readonly status: number;
}

/** An address inside C's memory or this package's; as numbers they are exact, below 2^53. */
export type Pointer = number;

/**
 * The functions in use of the OpenSSL inside Node's own binary. Pointers are addresses that OpenSSL has given, addresses of a
 * `Memory` after `checkRange`, or a view (`Bytes`) whose own length is told.
 */
export interface NativeOpenssl {
  readonly cipherCtxNew: () => Pointer;
  readonly cipherCtxFree: (ctx: Pointer) => void;
  readonly cipherInit: (
    ctx: Pointer,
    cipher: Pointer,
    engine: Pointer,
    key: Pointer,
    iv: Pointer,
    enc: number,
  ) => number;
  readonly aes128Gcm: () => Pointer;
  readonly aes256Gcm: () => Pointer;
  readonly chacha20Poly1305: () => Pointer;

  readonly errPeek: () => number;
  readonly errReason: (error: number) => string | null;
  readonly errClear: () => void;

  readonly tlsMethod: () => Pointer;
  readonly ctxNew: (method: Pointer) => Pointer;
  readonly ctxFree: (ctx: Pointer) => void;
  readonly ctxCtrl: (ctx: Pointer, command: number, n: number, pointer: Pointer) => number;
  readonly ctxCtrlText: (ctx: Pointer, command: number, n: number, text: Bytes) => number;
  readonly ctxSetOptions: (ctx: Pointer, options: number) => number;
  readonly ctxSetCiphersuites: (ctx: Pointer, text: Bytes) => number;
  readonly ctxSetNumTickets: (ctx: Pointer, count: number) => number;
  readonly ctxSetSessionIdContext: (ctx: Pointer, name: Bytes, length: number) => number;
  readonly ctxSetTicketCallback: (ctx: Pointer, generate: Pointer, decrypted: Pointer, argument: Pointer) => number;
  readonly ctxSetTimeout: (ctx: Pointer, seconds: number) => number;
  readonly ctxSetMaxEarlyData: (ctx: Pointer, bytes: number) => number;
  readonly ctxSetVerify: (ctx: Pointer, mode: number, callback: Pointer) => void;
  readonly ctxSetCertVerifyCallback: (ctx: Pointer, callback: Pointer, argument: Pointer) => void;
  readonly ctxSetKeylogCallback: (ctx: Pointer, callback: Pointer) => void;
  readonly ctxSetAlpnSelectCallback: (ctx: Pointer, callback: Pointer, argument: Pointer) => void;
  readonly ctxUseCertificate: (ctx: Pointer, length: number, der: Bytes) => number;
  readonly ctxUseKey: (ctx: Pointer, key: Pointer) => number;
  readonly ctxCheckKey: (ctx: Pointer) => number;
  readonly selectProtocol: (
    out: Pointer,
    outLength: Pointer,
    server: Pointer,
    serverLength: number,
    client: Pointer,
    clientLength: number,
  ) => number;

  readonly sslNew: (ctx: Pointer) => Pointer;
  readonly sslFree: (ssl: Pointer) => void;
  readonly sslSetAlpnProtos: (ssl: Pointer, protocols: Bytes, length: number) => number;
  readonly sslSetBio: (ssl: Pointer, read: Pointer, write: Pointer) => void;
  readonly sslSetConnectState: (ssl: Pointer) => void;
  readonly sslSetAcceptState: (ssl: Pointer) => void;
  readonly sslDoHandshake: (ssl: Pointer) => number;
  readonly sslGetError: (ssl: Pointer, result: number) => number;
  readonly sslGetCurrentCipher: (ssl: Pointer) => Pointer;
  readonly cipherProtocolId: (cipher: Pointer) => number;
  readonly sslGetAlpn: (ssl: Pointer, data: Pointer, length: Pointer) => void;
  readonly bioNew: (method: Pointer) => Pointer;
  readonly bioMem: () => Pointer;
  readonly bioFree: (bio: Pointer) => number;
  readonly bioWrite: (bio: Pointer, data: Bytes, length: number) => number;
  readonly bioRead: (bio: Pointer, data: Bytes, length: number) => number;
  readonly bioPending: (bio: Pointer) => number;

  readonly sslSetNumTickets: (ssl: Pointer, count: number) => number;
  readonly sslSetSession: (ssl: Pointer, session: Pointer) => number;
  /** Borrowed. */
  readonly sslGetSession: (ssl: Pointer) => Pointer;
  /** With a reference of its own. */
  readonly sslTakeSession: (ssl: Pointer) => Pointer;
  readonly sslSessionReused: (ssl: Pointer) => number;
  readonly sslRead: (ssl: Pointer, data: Bytes, length: number) => number;
  readonly sslSetShutdown: (ssl: Pointer, mode: number) => void;
  readonly sessionFree: (session: Pointer) => void;
  readonly sessionIsResumable: (session: Pointer) => number;
  readonly sessionLifetimeSec: (session: Pointer) => number;
  readonly sessionSetTicketData: (session: Pointer, data: Bytes, length: number) => number;
  readonly sessionTicketData: (session: Pointer, data: Pointer, length: Pointer) => number;

  readonly decodeX509: (x: Pointer, at: Pointer, length: number) => Pointer;
  readonly encodeX509: (x: Pointer, at: Pointer) => number;
  readonly x509Free: (x: Pointer) => void;
  readonly decodeKey: (key: Pointer, at: Pointer, length: number) => Pointer;
  readonly keyFree: (key: Pointer) => void;
  readonly storeCtxUntrusted: (ctx: Pointer) => Pointer;
  readonly storeCtxSetError: (ctx: Pointer, error: number) => void;
  readonly stackCount: (stack: Pointer) => number;
  readonly stackValue: (stack: Pointer, index: number) => Pointer;
  readonly memcpy: (to: Pointer, from: Pointer, length: number) => Pointer;

  readonly keylogCallback: (run: (ssl: Pointer, line: string) => void) => Callback;
  readonly verifyCallback: (run: (storeCtx: Pointer) => number) => Callback;
  readonly alpnCallback: (run: (offer: AlpnOffer) => number) => Callback;
  readonly ticketCallback: (run: (offered: OfferedTicket) => number) => Callback;
}

type Func = (
  name: string,
  result: string,
  ...args: string[]
) => ReturnType<ReturnType<typeof KoffiModule.load>["func"]>;

function ciphers(f: Func) {
  return {
    cipherCtxNew: f("EVP_CIPHER_CTX_new", "uint64"),
    cipherCtxFree: f("EVP_CIPHER_CTX_free", "void", "uint64"),
    cipherInit: f("EVP_CipherInit_ex", "int", "uint64", "uint64", "uint64", "uint64", "uint64", "int"),
    aes128Gcm: f("EVP_aes_128_gcm", "uint64"),
    aes256Gcm: f("EVP_aes_256_gcm", "uint64"),
    chacha20Poly1305: f("EVP_chacha20_poly1305", "uint64"),
    errPeek: f("ERR_peek_error", "uint64"),
    errReason: f("ERR_reason_error_string", "str", "uint64"),
    errClear: f("ERR_clear_error", "void"),
  };
}

function contexts(f: Func) {
  return {
    tlsMethod: f("TLS_method", "uint64"),
    ctxNew: f("SSL_CTX_new", "uint64", "uint64"),
    ctxFree: f("SSL_CTX_free", "void", "uint64"),
    ctxCtrl: f("SSL_CTX_ctrl", "int64", "uint64", "int", "int64", "uint64"),
    ctxCtrlText: f("SSL_CTX_ctrl", "int64", "uint64", "int", "int64", "void *"),
    ctxSetOptions: f("SSL_CTX_set_options", "uint64", "uint64", "uint64"),
    ctxSetCiphersuites: f("SSL_CTX_set_ciphersuites", "int", "uint64", "void *"),
    ctxSetNumTickets: f("SSL_CTX_set_num_tickets", "int", "uint64", "uint64"),
    ctxSetSessionIdContext: f("SSL_CTX_set_session_id_context", "int", "uint64", "void *", "uint"),
    ctxSetTicketCallback: f("SSL_CTX_set_session_ticket_cb", "int", "uint64", "uint64", "uint64", "uint64"),
    ctxSetTimeout: f("SSL_CTX_set_timeout", "int64", "uint64", "int64"),
    ctxSetMaxEarlyData: f("SSL_CTX_set_max_early_data", "int", "uint64", "uint32"),
    ctxSetVerify: f("SSL_CTX_set_verify", "void", "uint64", "int", "uint64"),
    ctxSetCertVerifyCallback: f("SSL_CTX_set_cert_verify_callback", "void", "uint64", "uint64", "uint64"),
    ctxSetKeylogCallback: f("SSL_CTX_set_keylog_callback", "void", "uint64", "uint64"),
    ctxSetAlpnSelectCallback: f("SSL_CTX_set_alpn_select_cb", "void", "uint64", "uint64", "uint64"),
    ctxUseCertificate: f("SSL_CTX_use_certificate_ASN1", "int", "uint64", "int", "void *"),
    ctxUseKey: f("SSL_CTX_use_PrivateKey", "int", "uint64", "uint64"),
    ctxCheckKey: f("SSL_CTX_check_private_key", "int", "uint64"),
    selectProtocol: f("SSL_select_next_proto", "int", "uint64", "uint64", "uint64", "uint", "uint64", "uint"),
  };
}

function connections(f: Func) {
  return {
    sslNew: f("SSL_new", "uint64", "uint64"),
    sslFree: f("SSL_free", "void", "uint64"),
    sslSetAlpnProtos: f("SSL_set_alpn_protos", "int", "uint64", "void *", "uint"),
    sslSetBio: f("SSL_set_bio", "void", "uint64", "uint64", "uint64"),
    sslSetConnectState: f("SSL_set_connect_state", "void", "uint64"),
    sslSetAcceptState: f("SSL_set_accept_state", "void", "uint64"),
    sslDoHandshake: f("SSL_do_handshake", "int", "uint64"),
    sslGetError: f("SSL_get_error", "int", "uint64", "int"),
    sslGetCurrentCipher: f("SSL_get_current_cipher", "uint64", "uint64"),
    cipherProtocolId: f("SSL_CIPHER_get_protocol_id", "uint16", "uint64"),
    sslGetAlpn: f("SSL_get0_alpn_selected", "void", "uint64", "uint64", "uint64"),
    bioNew: f("BIO_new", "uint64", "uint64"),
    bioMem: f("BIO_s_mem", "uint64"),
    bioFree: f("BIO_free", "int", "uint64"),
    bioWrite: f("BIO_write", "int", "uint64", "void *", "int"),
    bioRead: f("BIO_read", "int", "uint64", "void *", "int"),
    bioPending: f("BIO_ctrl_pending", "uint64", "uint64"),
  };
}

function sessions(f: Func) {
  return {
    sslSetNumTickets: f("SSL_set_num_tickets", "int", "uint64", "uint64"),
    sslSetSession: f("SSL_set_session", "int", "uint64", "uint64"),
    sslGetSession: f("SSL_get_session", "uint64", "uint64"),
    sslTakeSession: f("SSL_get1_session", "uint64", "uint64"),
    sslSessionReused: f("SSL_session_reused", "int", "uint64"),
    sslRead: f("SSL_read", "int", "uint64", "void *", "int"),
    sslSetShutdown: f("SSL_set_shutdown", "void", "uint64", "int"),
    sessionFree: f("SSL_SESSION_free", "void", "uint64"),
    sessionIsResumable: f("SSL_SESSION_is_resumable", "int", "uint64"),
    sessionLifetimeSec: f("SSL_SESSION_get_ticket_lifetime_hint", "uint64", "uint64"),
    sessionSetTicketData: f("SSL_SESSION_set1_ticket_appdata", "int", "uint64", "void *", "uint64"),
    sessionTicketData: f("SSL_SESSION_get0_ticket_appdata", "int", "uint64", "uint64", "uint64"),
  };
}

function certificates(f: Func) {
  return {
    decodeX509: f("d2i_X509", "uint64", "uint64", "uint64", "int64"),
    encodeX509: f("i2d_X509", "int", "uint64", "uint64"),
    x509Free: f("X509_free", "void", "uint64"),
    decodeKey: f("d2i_AutoPrivateKey", "uint64", "uint64", "uint64", "int64"),
    keyFree: f("EVP_PKEY_free", "void", "uint64"),
    storeCtxUntrusted: f("X509_STORE_CTX_get0_untrusted", "uint64", "uint64"),
    storeCtxSetError: f("X509_STORE_CTX_set_error", "void", "uint64", "int"),
    stackCount: f("OPENSSL_sk_num", "int", "uint64"),
    stackValue: f("OPENSSL_sk_value", "uint64", "uint64", "int"),
    memcpy: f("memcpy", "uint64", "uint64", "uint64", "uint64"),
  };
}

function bindAll(): NativeOpenssl {
  const koffi = openKoffi();
  const lib = koffi.load(null);
  const f: Func = (name, result, ...args) => lib.func(name, result, args);
  const callback = (result: string, ...args: string[]) => {
    const type = koffi.pointer(koffi.proto(result, args));
    return (run: (...values: never[]) => unknown): Callback => {
      const registered = koffi.register(run, type);
      return { address: Number(koffi.address(registered)), unregister: () => koffi.unregister(registered) };
    };
  };
  const ticket = callback("int", "uint64", "uint64", "uint64", "uint64", "int", "uint64");
  const alpn = callback("int", "uint64", "uint64", "uint64", "uint64", "uint", "uint64");
  return {
    ...ciphers(f),
    ...contexts(f),
    ...connections(f),
    ...sessions(f),
    ...certificates(f),
    keylogCallback: callback("void", "uint64", "str"),
    verifyCallback: callback("int", "uint64", "uint64"),
    alpnCallback: (run) =>
      alpn((_ssl: Pointer, out: Pointer, outLength: Pointer, offered: Pointer, length: number) =>
        run({ out, outLength, offered, length }),
      ),
    ticketCallback: (run) =>
      ticket((_ssl: Pointer, session: Pointer, _name: Pointer, _nameLength: number, status: number) =>
        run({ session, status }),
      ),
  };
}

let bound: NativeOpenssl | null = null;

/**
 * OpenSSL, bound at the first call. One table per thread, for its life.
 * @throws MeshError UNAVAILABLE where this is not Linux on x64 or arm64
 */
export function openssl(): NativeOpenssl {
  return (bound ??= bindAll());
}
