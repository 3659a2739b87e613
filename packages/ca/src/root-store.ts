import { webcrypto } from "node:crypto";
import {
  type Certificate,
  type KeyPair,
  createSigner,
  encodePem,
  exportPrivateKey,
  generateKeyPair,
  importPrivateKey,
  issueRoot,
  parseCertificates,
} from "@lateen/certificates";
import { Code, MeshError } from "@lateen/errors";
import type { PrivateFolder } from "./private-folder.ts";

/** Names of the files, as in Istio's `cacerts`. */
export const CA_FILES = {
  key: "ca-key.pem",
  certificate: "ca-cert.pem",
  chain: "cert-chain.pem",
  roots: "root-cert.pem",
} as const;

/** What the files of an authority say together. */
export interface Root {
  readonly keys: KeyPair;
  /** Of `keys`; it signs. */
  readonly certificate: Certificate;
  /** From the signing certificate up, without the root; empty when the root signs itself. */
  readonly intermediates: readonly Certificate[];
  readonly rootsPem: string;
  readonly problems: readonly string[];
}

export interface RootOptions {
  readonly organization: string;
  readonly nowMs: number;
  readonly rootTtlSec: number;
}

/** A root is renewed when less of its life than this remains. */
const RENEW_SHARE = 0.2;

/**
 * Reads what signs, making it first in an empty folder. A key without a certificate is a start that was cut off between the
 * two writes: nothing was signed with it yet, so the certificate is made now.
 */
export async function loadRoot(folder: PrivateFolder, o: RootOptions): Promise<Root> {
  const keyPem = await folder.read(CA_FILES.key, "secret");
  const certPem = await folder.read(CA_FILES.certificate, "public");
  if (keyPem === null && certPem !== null)
    throw bad(folder, `it holds ${CA_FILES.certificate} but not ${CA_FILES.key}`);
  const keys = keyPem === null ? await makeKey(folder) : await readKey(folder, keyPem);
  if (certPem === null) return selfSigned(keys, await makeRoot(folder, keys, o), []);
  const certificate = await readOne(folder, CA_FILES.certificate, certPem, keys);
  const rootsPem = await folder.read(CA_FILES.roots, "public");
  if (rootsPem !== null) return plugged(folder, { keys, certificate, rootsPem });
  if (o.nowMs > certificate.notAfterMs) throw bad(folder, `${CA_FILES.certificate} has expired`);
  return renew(folder, { keys, certificate }, o);
}

async function makeKey(folder: PrivateFolder): Promise<KeyPair> {
  const keys = await generateKeyPair(webcrypto);
  await folder.write(CA_FILES.key, await exportPrivateKey(webcrypto, keys), "secret");
  return keys;
}

async function makeRoot(folder: PrivateFolder, keys: KeyPair, o: RootOptions): Promise<Certificate> {
  const { organization, nowMs, rootTtlSec: ttlSec } = o;
  const root = await issueRoot(webcrypto, { signer: await createSigner(webcrypto, keys), organization, nowMs, ttlSec });
  await folder.write(CA_FILES.certificate, encodePem("CERTIFICATE", root.der), "public");
  return root;
}

function selfSigned(keys: KeyPair, certificate: Certificate, problems: readonly string[]): Root {
  return { keys, certificate, intermediates: [], rootsPem: encodePem("CERTIFICATE", certificate.der), problems };
}

/** The same key under a new date. When the disk refuses, the old root serves on. */
async function renew(folder: PrivateFolder, old: Pick<Root, "keys" | "certificate">, o: RootOptions): Promise<Root> {
  const { keys, certificate } = old;
  const left = (certificate.notAfterMs - o.nowMs) / (certificate.notAfterMs - certificate.notBeforeMs);
  if (left > RENEW_SHARE) return selfSigned(keys, certificate, []);
  try {
    return selfSigned(keys, await makeRoot(folder, keys, o), []);
  } catch (e) {
    if (!MeshError.is(e, Code.Unavailable)) throw e;
    return selfSigned(keys, certificate, [`Cannot renew the root, the old one stays: ${e.message}`]);
  }
}

/** Signing material that somebody else made: an intermediate, its chain and the roots above it. */
async function plugged(
  folder: PrivateFolder,
  o: { readonly keys: KeyPair; readonly certificate: Certificate; readonly rootsPem: string },
): Promise<Root> {
  const chainPem = (await folder.read(CA_FILES.chain, "public")) ?? "";
  const above = chainPem.trim() === "" ? [] : readAll(folder, CA_FILES.chain, chainPem);
  const roots = readAll(folder, CA_FILES.roots, o.rootsPem);
  const isRoot = (c: Certificate): boolean => roots.some((r) => r.serialHex === c.serialHex && same(r.der, c.der));
  const intermediates = [o.certificate, ...above.filter((c) => !same(c.der, o.certificate.der))].filter(
    (c) => !isRoot(c),
  );
  const rootsPem = roots.map((r) => encodePem("CERTIFICATE", r.der)).join("");
  return { keys: o.keys, certificate: o.certificate, intermediates, rootsPem, problems: [] };
}

async function readKey(folder: PrivateFolder, pem: string): Promise<KeyPair> {
  const keys = await importPrivateKey(webcrypto, pem);
  if (!keys.ok) throw bad(folder, `${CA_FILES.key}: ${keys.error.message}`);
  return keys.value;
}

async function readOne(folder: PrivateFolder, name: string, pem: string, keys: KeyPair): Promise<Certificate> {
  const [certificate] = readAll(folder, name, pem);
  if (certificate === undefined) throw bad(folder, `${name} holds no certificate`);
  if (!certificate.isCa) throw bad(folder, `${name} is not the certificate of an authority`);
  const { publicKey } = await createSigner(webcrypto, keys);
  if (!same(publicKey, certificate.publicKey)) throw bad(folder, `${name} is not of the key in ${CA_FILES.key}`);
  return certificate;
}

function readAll(folder: PrivateFolder, name: string, pem: string): readonly Certificate[] {
  const parsed = parseCertificates(pem);
  if (!parsed.ok) throw bad(folder, `${name}: ${parsed.error.message}`);
  return parsed.value;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

function bad(folder: PrivateFolder, why: string): MeshError {
  return new MeshError(Code.BadInput, `Cannot use key folder ${folder.path}: ${why}`);
}
