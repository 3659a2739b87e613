import type { Credentials, CredentialsOptions } from "@lateen/datapath";
import { Code, MeshError } from "@lateen/errors";
import { type TlsContext, TlsLibrary } from "@lateen/linux";
import { type PeerQuestion, judgePeer } from "./judge-peer.ts";
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
}

/** Contexts kept, of some 70 KiB each; credentials of which none is kept get another, in half a millisecond, when used again. */
const MAX_CONTEXTS = 128;

/** The TLS of one data thread. Dispose it before the thread ends, after its last handshake. */
export class TlsEngine implements Disposable {
  readonly #library = new TlsLibrary();
  readonly #remembered: Pick<PeerQuestion, "parse" | "verify">;
  readonly #options: TlsEngineOptions;
  /** The least recently used first. */
  readonly #contexts = new Map<TlsCredentials, TlsContext>();

  constructor(options: TlsEngineOptions) {
    this.#options = options;
    const seen = new SeenCertificates();
    this.#remembered = { parse: (der) => seen.parse(der), verify: signatureCheck() };
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
    const context = this.#contextOf(credentials);
    const { roots } = credentials;
    const connection = this.#library.connection({
      context,
      role,
      alpn: [o.alpn],
      judge: (chainDer) =>
        judgePeer({ chainDer, role, roots, nowMs: this.#options.nowMs(), verifyPeer, ...this.#remembered }),
    });
    return new TlsHandshake(connection, o.alpn, context.tickets);
  }

  [Symbol.dispose](): void {
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
