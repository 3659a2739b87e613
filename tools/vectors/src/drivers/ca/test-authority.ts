import { generateKeyPairSync, webcrypto } from "node:crypto";
import { type Authority, CA_FILES, type KeyStore, openAuthority } from "@lateen/ca";
import {
  type Certificate,
  type KeyPair,
  type Signer,
  createSigner,
  createSigningRequest,
  encodePem,
  exportPrivateKey,
  generateKeyPair,
  importPrivateKey,
  issueCertificate,
  issueIntermediate,
  issueRoot,
} from "@lateen/certificates";

export const NOW_MS = Date.UTC(2026, 5, 1);
const VALID = { organization: "vectors", nowMs: NOW_MS, ttlSec: 10 * 86_400 };

/** An authority below a root that it does not hold, so that what it answers has all three parts. */
export async function pluggedAuthority(o: {
  readonly trustDomain: string;
  readonly maxTtlSec?: number;
}): Promise<Authority> {
  const root = await signerOf(await generateKeyPair(webcrypto));
  const rootCertificate = await issueRoot(webcrypto, { ...VALID, signer: root });
  const keys = await generateKeyPair(webcrypto);
  const { publicKey } = await signerOf(keys);
  const issuer = { certificate: rootCertificate, signer: root };
  const certificate = await issueIntermediate(webcrypto, { ...VALID, issuer, publicKey });
  const files = new Map<string, string>([
    [CA_FILES.key, await exportPrivateKey(webcrypto, keys)],
    [CA_FILES.certificate, toPem(certificate)],
    [CA_FILES.chain, toPem(certificate)],
    [CA_FILES.roots, toPem(rootCertificate)],
  ]);
  const store: KeyStore = {
    name: "the vectors",
    read: (name) => Promise.resolve(files.get(name) ?? null),
    write: () => Promise.reject(new Error("nothing is written here")),
  };
  return openAuthority({ ...o, keys: store, nowMs: () => NOW_MS });
}

/** A request of the kind of key that a case names: `RSA2048`, `ECDSA`, `ECDSA P-384` and the like. */
export async function requestOf(key: string, uri: string): Promise<string> {
  const rsa = /^RSA ?(\d+)?$/.exec(key);
  const { privateKey } =
    rsa === null
      ? generateKeyPairSync("ec", { namedCurve: key.includes("384") ? "P-384" : "P-256" })
      : generateKeyPairSync("rsa", { modulusLength: Number(rsa[1] ?? 2048) });
  const keys = await importPrivateKey(webcrypto, privateKey.export({ type: "pkcs8", format: "pem" }));
  if (!keys.ok) throw keys.error;
  return createSigningRequest(await signerOf(keys.value), [{ t: "uri", value: uri }]);
}

/** A client certificate with these URI names, as TLS would hand it on. */
export async function clientCertificate(uris: readonly string[]): Promise<Uint8Array> {
  const signer = await signerOf(await generateKeyPair(webcrypto));
  const { der } = await issueCertificate(webcrypto, {
    issuer: { certificate: "self", signer },
    publicKey: signer.publicKey,
    sans: uris.map((value) => ({ t: "uri", value })),
    notBeforeMs: NOW_MS - 60_000,
    notAfterMs: NOW_MS + 60_000,
    keyUsages: ["digitalSignature"],
  });
  return der;
}

const signerOf = (keys: KeyPair): Promise<Signer> => createSigner(webcrypto, keys);
const toPem = (c: Certificate): string => encodePem("CERTIFICATE", c.der);
