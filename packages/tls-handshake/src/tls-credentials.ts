import { type Certificate, decodePem, parseCertificates } from "@lateen/certificates";
import type { Credentials, CredentialsOptions } from "@lateen/datapath";
import { Code, MeshError } from "@lateen/errors";

/** Labels of blocks that hold a private key without a password. */
const KEY_LABELS: ReadonlySet<string> = new Set(["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"]);

/** Key, chain and roots as values; what OpenSSL makes of them is kept by the engine. */
export class TlsCredentials implements Credentials {
  readonly opaque = null;
  readonly chainDer: readonly Uint8Array[];
  readonly roots: readonly Certificate[];
  /** Private, so that nobody logs it by accident. */
  readonly #keyDer: Uint8Array;

  private constructor(chain: readonly Certificate[], keyDer: Uint8Array, roots: readonly Certificate[]) {
    this.chainDer = chain.map((c) => c.der);
    this.#keyDer = keyDer;
    this.roots = roots;
  }

  /** @throws MeshError BAD_INPUT when a part is missing or cannot be read; whether they fit each other is for the engine */
  static parse(o: CredentialsOptions): TlsCredentials {
    if (o.rootsPem.length === 0) throw unusable("no trust anchors given");
    if (o.chainPem === "" || o.keyPem === "") throw unusable("no certificate or key given");
    const chain = certificates("chain", o.chainPem);
    const roots = o.rootsPem.flatMap((pem) => certificates("trust anchors", pem));
    return new TlsCredentials(chain, privateKey(o.keyPem), roots);
  }

  get keyDer(): Uint8Array {
    return this.#keyDer;
  }
}

function certificates(what: string, pem: string): readonly Certificate[] {
  const parsed = parseCertificates(pem);
  if (!parsed.ok) throw unusable(`${what}: ${parsed.error.message}`, parsed.error);
  if (parsed.value.length === 0) throw unusable(`${what}: no certificate found`);
  return parsed.value;
}

/** The message never quotes the text. */
function privateKey(pem: string): Uint8Array {
  const blocks = decodePem(pem);
  const key = blocks.ok ? blocks.value.find((b) => KEY_LABELS.has(b.label)) : undefined;
  if (key === undefined) throw unusable("no private key found");
  return key.der;
}

export function unusable(why: string, cause?: unknown): MeshError {
  return new MeshError(Code.BadInput, `Cannot use credentials: ${why}`, {}, cause);
}
