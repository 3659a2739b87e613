import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import type * as KoffiModule from "koffi";

const koffi = createRequire(import.meta.resolve("@lateen/linux"))("koffi") as typeof KoffiModule;
const lib = koffi.load(null);
const f = (name: string, result: string, ...args: string[]) => lib.func(name, result, args);
const P = "uint64";
const ssl = {
  method: f("TLS_method", P),
  ctxNew: f("SSL_CTX_new", P, P),
  ctxFree: f("SSL_CTX_free", "void", P),
  ctxCtrl: f("SSL_CTX_ctrl", "int64", P, "int", "int64", P),
  suites: f("SSL_CTX_set_ciphersuites", "int", P, "str"),
  tickets: f("SSL_CTX_set_num_tickets", "int", P, "uint64"),
  padding: f("SSL_CTX_set_block_padding", "int", P, "uint64"),
  verify: f("SSL_CTX_set_verify", "void", P, "int", P),
  bioFromBytes: f("BIO_new_mem_buf", P, "void *", "int"),
  pemX509: f("PEM_read_bio_X509", P, P, P, P, P),
  store: f("SSL_CTX_get_cert_store", P, P),
  trust: f("X509_STORE_add_cert", "int", P, P),
  use: f("SSL_CTX_use_certificate", "int", P, P),
  x509Free: f("X509_free", "void", P),
  pemKey: f("PEM_read_bio_PrivateKey", P, P, P, P, P),
  useKey: f("SSL_CTX_use_PrivateKey", "int", P, P),
  keyFree: f("EVP_PKEY_free", "void", P),
  bioFree: f("BIO_free", "int", P),
  clear: f("ERR_clear_error", "void"),
  alpnSelect: f("SSL_CTX_set_alpn_select_cb", "void", P, P, P),
  selectProtocol: f("SSL_select_next_proto", "int", P, P, "void *", "uint", P, "uint"),
  alpn: f("SSL_set_alpn_protos", "int", P, "void *", "uint"),
  make: f("SSL_new", P, P),
  free: f("SSL_free", "void", P),
  bioNew: f("BIO_new", P, P),
  bioMem: f("BIO_s_mem", P),
  setBio: f("SSL_set_bio", "void", P, P, P),
  connect: f("SSL_set_connect_state", "void", P),
  accept: f("SSL_set_accept_state", "void", P),
  handshake: f("SSL_do_handshake", "int", P),
  read: f("SSL_read", "int", P, "void *", "int"),
  write: f("SSL_write", "int", P, "void *", "int"),
  shutdown: f("SSL_shutdown", "int", P),
  getShutdown: f("SSL_get_shutdown", "int", P),
  keyUpdate: f("SSL_key_update", "int", P, "int"),
  error: f("SSL_get_error", "int", P, "int"),
  pending: f("BIO_ctrl_pending", P, P),
  bioRead: f("BIO_read", "int", P, "void *", "int"),
  bioWrite: f("BIO_write", "int", P, "void *", "int"),
};
/** Alive for good, as what is selected out of it is only pointed to. */
const H2 = Buffer.from("\x02h2", "latin1");
const onAlpn = koffi.register(
  (_ssl: number, out: number, outLength: number, offered: number, length: number) =>
    ssl.selectProtocol(out, outLength, H2, H2.length, offered, length) === 1 ? 0 : 2,
  koffi.pointer(koffi.proto("int", [P, P, P, P, "uint", P])),
);
const ADD_CHAIN = 89;
const WANT_READ = 2;
const ZERO_RETURN = 6;
const RECEIVED_SHUTDOWN = 2;

export interface PeerOptions {
  readonly role: "client" | "server";
  readonly keyPem: string;
  readonly chainPem: string;
  readonly rootsPem: readonly string[];
  readonly suites: string;
  /** Whether it knows of ALPN (h2). */
  readonly alpn?: boolean;
  readonly tickets?: number;
  /** Records are padded to a multiple of this. */
  readonly blockPadding?: number;
}

/** OpenSSL through and through, records included, over memory: the other end for what we took over. */
export class OpensslPeer {
  readonly #ctx: number;
  readonly #ssl: number;
  readonly #in: number;
  readonly #out: number;
  #done = false;
  received: Buffer[] = [];
  ended = false;
  error = 0;

  constructor(o: PeerOptions) {
    this.#ctx = Number(ssl.ctxNew(ssl.method()));
    ssl.ctxCtrl(this.#ctx, 123, 0x304, 0);
    ssl.suites(this.#ctx, o.suites);
    ssl.tickets(this.#ctx, o.tickets ?? 0);
    if (o.blockPadding !== undefined) ssl.padding(this.#ctx, o.blockPadding);
    ssl.verify(this.#ctx, o.role === "server" ? 3 : 0, 0);
    if (o.alpn !== false) ssl.alpnSelect(this.#ctx, onAlpn, 0);
    this.#credentials(o);
    this.#ssl = Number(ssl.make(this.#ctx));
    [this.#in, this.#out] = [Number(ssl.bioNew(ssl.bioMem())), Number(ssl.bioNew(ssl.bioMem()))];
    ssl.setBio(this.#ssl, this.#in, this.#out);
    if (o.role === "server") ssl.accept(this.#ssl);
    else ssl.connect(this.#ssl);
    if (o.alpn !== false) ssl.alpn(this.#ssl, H2, H2.length);
  }

  #credentials(o: PeerOptions): void {
    const chain = Buffer.from(o.chainPem);
    const bio = ssl.bioFromBytes(chain, chain.length);
    for (let first = true; ; first = false) {
      const x = ssl.pemX509(bio, 0, 0, 0);
      if (Number(x) === 0) break;
      if (first) ssl.use(this.#ctx, x);
      else ssl.ctxCtrl(this.#ctx, ADD_CHAIN, 1, x);
      ssl.x509Free(x);
    }
    ssl.clear();
    ssl.bioFree(bio);
    for (const root of o.rootsPem) {
      const bytes = Buffer.from(root);
      const rootBio = ssl.bioFromBytes(bytes, bytes.length);
      const x = ssl.pemX509(rootBio, 0, 0, 0);
      ssl.trust(ssl.store(this.#ctx), x);
      ssl.x509Free(x);
      ssl.bioFree(rootBio);
    }
    const pem = Buffer.from(o.keyPem);
    const keyBio = ssl.bioFromBytes(pem, pem.length);
    const key = ssl.pemKey(keyBio, 0, 0, 0);
    ssl.useKey(this.#ctx, key);
    ssl.keyFree(key);
    ssl.bioFree(keyBio);
  }

  /** Takes bytes, if any, and goes on. @returns what to send */
  step(bytes?: Uint8Array): Buffer {
    if (bytes !== undefined && bytes.length > 0) ssl.bioWrite(this.#in, bytes, bytes.length);
    ssl.clear();
    if (!this.#done) {
      const r = ssl.handshake(this.#ssl) as number;
      this.#done = r === 1;
      if (r !== 1 && ssl.error(this.#ssl, r) !== WANT_READ) this.error = 1;
    }
    if (this.#done) this.#read();
    return this.take();
  }

  #read(): void {
    const into = Buffer.alloc(65_536);
    for (;;) {
      const n = ssl.read(this.#ssl, into, into.length) as number;
      if (n > 0) {
        this.received.push(Buffer.from(into.subarray(0, n)));
        continue;
      }
      const error = ssl.error(this.#ssl, n) as number;
      if (error === ZERO_RETURN) this.ended = true;
      else if (error !== WANT_READ) this.error = error;
      return;
    }
  }

  write(bytes: Uint8Array): Buffer {
    const n = ssl.write(this.#ssl, bytes, bytes.length) as number;
    if (n !== bytes.length) throw new Error(`SSL_write gave ${n}`);
    return this.take();
  }

  /** @param request whether to ask for one back */
  keyUpdate(request: boolean): void {
    if (ssl.keyUpdate(this.#ssl, request ? 1 : 0) !== 1) throw new Error("SSL_key_update");
    if (ssl.handshake(this.#ssl) !== 1) throw new Error("SSL_do_handshake");
  }

  end(): Buffer {
    ssl.shutdown(this.#ssl);
    return this.take();
  }

  get peerEnded(): boolean {
    return ((ssl.getShutdown(this.#ssl) as number) & RECEIVED_SHUTDOWN) !== 0;
  }

  take(): Buffer {
    const n = Number(ssl.pending(this.#out));
    const bytes = Buffer.alloc(n);
    if (n > 0) ssl.bioRead(this.#out, bytes, n);
    return bytes;
  }

  free(): void {
    ssl.free(this.#ssl);
    ssl.ctxFree(this.#ctx);
  }
}
