import type { Credentials, CredentialsOptions } from "@lateen/datapath";
import { Code, MeshError } from "@lateen/errors";
import { type TlsContext, TlsLibrary } from "@lateen/linux";
import { type PeerQuestion, judgePeer } from "./judge-peer.ts";
import { Resumption } from "./resumption.ts";
import { SeenCertificates } from "./seen-certificates.ts";
import { signatureCheck } from "./signature-check.ts";
import { TlsCredentials } from "./tls-credentials.ts";
import { type HandshakeOptions, TlsHandshake } from "./tls-handshake.ts";

export interface TlsEngineOptions {
  /** Wall clock, against which certificates are judged. */
  readonly nowMs: () => number;
  /** Key exchanges in OpenSSL's names, best first, such as "X25519MLKEM768:X25519:P-256". */
  readonly groups?: string;
  /** Suites in OpenSSL's names, best first. */
  readonly suites?: string;
  /**
   * Whether sessions are resumed: those of servers for whoever has a ticket of theirs, those of clients where `resumeKey` is given.
   * Default: true.
   */
  readonly resume?: boolean;
  /** Secret of the tickets. Engines that have the same, as threads of one process do, take each other's. Random when absent. */
  readonly ticketSecret?: Uint8Array;
}

/** Contexts kept, of some 70 KiB each; credentials of which none is kept get another, in half a millisecond, when used again. */
const MAX_CONTEXTS = 128;

/** The TLS of one data thread. Dispose it before the thread ends, after its last handshake. */
export class TlsEngine implements Disposable {
  readonly #library = new TlsLibrary();
  readonly #remembered: Pick<PeerQuestion, "parse" | "verify">;
  readonly #options: TlsEngineOptions;
  readonly #resumption: Resumption | null;
  /** The least recently used first. */
  readonly #contexts = new Map<TlsCredentials, TlsContext>();

  constructor(options: TlsEngineOptions) {
    this.#options = options;
    const seen = new SeenCertificates();
    this.#remembered = { parse: (der) => seen.parse(der), verify: signatureCheck() };
    const { nowMs, ticketSecret: secret } = options;
    const shared = (der: Uint8Array): Uint8Array => {
      const parsed = seen.parse(der);
      return parsed.ok ? parsed.value.der : der;
    };
    const how = { nowMs, shared, ...(secret === undefined ? {} : { secret }) };
    this.#resumption = options.resume === false ? null : new Resumption(how);
  }

  /** What resumption keeps: sessions of clients, and connections that wait for one. */
  get held(): { readonly sessions: number; readonly waiting: number } {
    return this.#resumption?.held ?? { sessions: 0, waiting: 0 };
  }

  /** @throws MeshError BAD_INPUT when key, chain or roots cannot be used, or do not belong together */
  credentials(o: CredentialsOptions): Credentials {
    const credentials = TlsCredentials.parse(o);
    this.#contextOf(credentials);
    return credentials;
  }

  /** @throws MeshError BUG when the credentials were made elsewhere */
  handshake(o: HandshakeOptions): TlsHandshake {
    const { credentials, role, verifyPeer } = o;
    if (!(credentials instanceof TlsCredentials))
      throw new MeshError(Code.Bug, "Cannot use credentials: they were made by another data path");
    const resumption = this.#resumption;
    const { roots } = credentials;
    const owner =
      role === "client" && o.resumeKey !== undefined ? { credentials, key: `${o.alpn} ${o.resumeKey}` } : null;
    const offered = owner === null ? null : (resumption?.take(owner) ?? null);
    try {
      const connection = this.#library.connection({
        context: this.#contextOf(credentials),
        role,
        alpn: [o.alpn],
        judge: (chainDer) =>
          judgePeer({ chainDer, role, roots, nowMs: this.#options.nowMs(), verifyPeer, ...this.#remembered }),
        ...(offered === null ? {} : { offer: offered }),
        ...(resumption === null ? {} : { tickets: resumption.keeper }),
      });
      if (owner === null || resumption === null) return new TlsHandshake(connection, o.alpn);
      return new TlsHandshake(connection, o.alpn, {
        done: (records) => resumption.awaitTicket(owner, connection, records, offered),
        failed: () => {
          if (offered !== null) resumption.failed(owner);
        },
      });
    } finally {
      offered?.session.free();
    }
  }

  [Symbol.dispose](): void {
    this.#resumption?.[Symbol.dispose]();
    for (const context of this.#contexts.values()) context.free();
    this.#contexts.clear();
    this.#library[Symbol.dispose]();
  }

  #contextOf(credentials: TlsCredentials): TlsContext {
    const known = this.#contexts.get(credentials);
    const { groups, suites } = this.#options;
    const context =
      known ??
      this.#library.context({
        chainDer: credentials.chainDer,
        keyDer: credentials.keyDer,
        ...(this.#resumption === null ? {} : { tickets: 1, ticketKeys: this.#resumption.ticketKeys(credentials) }),
        ...(groups === undefined ? {} : { groups }),
        ...(suites === undefined ? {} : { suites }),
      });
    this.#contexts.delete(credentials);
    this.#contexts.set(credentials, context);
    for (const [oldest, unused] of this.#contexts) {
      if (this.#contexts.size <= MAX_CONTEXTS) break;
      this.#contexts.delete(oldest);
      unused.free();
    }
    return context;
  }
}
