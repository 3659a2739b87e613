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
import { ROTATION_FILE, parseRotation } from "./rotation-file.ts";
import { NO_ROTATION, type Rotation, bundleOf } from "./rotation-machine.ts";
import { unfit } from "./successor.ts";

/** Where signing material is kept: a folder, or a Secret. */
export interface KeyStore {
  /** For messages: where to look. */
  readonly name: string;
  /** The text of a file, or null when there is none. */
  read(name: string, secrecy: "secret" | "public"): Promise<string | null>;
  /** Replaces a file as a whole, or leaves what was there. @throws MeshError UNAVAILABLE */
  write(name: string, text: string, secrecy: "secret" | "public"): Promise<void>;
}

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
  /** `own`: made and renewed here. `given`: somebody else plugged it in. */
  readonly kind: "own" | "given";
  readonly rotation: Rotation;
  /** It came into being with this look. */
  readonly isNew: boolean;
}

export interface RootOptions {
  readonly organization: string;
  readonly nowMs: number;
  readonly rootTtlSec: number;
  /** A root is renewed when less of its life than this remains: 0.2 (control-plane 6.4). */
  readonly renewShare?: number;
  /** Whether an empty store gets a new root, or is a mistake: 'make'. */
  readonly empty?: "make" | "refuse";
}

const RENEW_SHARE = 0.2;

/**
 * Reads what signs, making it first in an empty folder. A key without a certificate is a start that was cut off between the
 * two writes: nothing was signed with it yet, so the certificate is made now.
 */
export async function loadRoot(store: KeyStore, o: RootOptions): Promise<Root> {
  const rotation = await readRotation(store);
  if (rotation.phase !== "none") return rotating(store, rotation, o);
  return { ...(await loadFiles(store, o)), rotation };
}

/** While a rotation is under way its one file says everything: the others may be half of the past and half of the future. */
async function rotating(
  store: KeyStore,
  rotation: Exclude<Rotation, { phase: "none" }>,
  o: RootOptions,
): Promise<Root> {
  const keys = await readKey(store, rotation.current.keyPem);
  const certificate = await readOne(store, ROTATION_FILE, rotation.current.certPem, keys);
  const rootsPem = (bundleOf(rotation) ?? []).join("");
  const root: Root = { ...selfSigned(keys, certificate, []), rootsPem, rotation };
  const why = unfit(root, o.nowMs);
  if (why !== null) throw bad(store, `${ROTATION_FILE}: ${why}`);
  return root;
}

/** @throws MeshError BAD_INPUT when its file holds something else */
async function readRotation(store: KeyStore): Promise<Rotation> {
  const text = await store.read(ROTATION_FILE, "secret");
  if (text === null) return NO_ROTATION;
  const rotation = parseRotation(text);
  if (!rotation.ok) throw bad(store, `${ROTATION_FILE}: ${rotation.error}`);
  return rotation.value;
}

async function loadFiles(store: KeyStore, o: RootOptions): Promise<Root> {
  const keyPem = await store.read(CA_FILES.key, "secret");
  const certPem = await store.read(CA_FILES.certificate, "public");
  if (o.empty === "refuse" && (keyPem === null || certPem === null)) throw bad(store, "they are gone");
  if (keyPem === null && certPem !== null) throw bad(store, `it holds ${CA_FILES.certificate} but not ${CA_FILES.key}`);
  const keys = keyPem === null ? await makeKey(store) : await readKey(store, keyPem);
  if (certPem === null) return { ...selfSigned(keys, await makeRoot(store, keys, o), []), isNew: true };
  const certificate = await readOne(store, CA_FILES.certificate, certPem, keys);
  const rootsPem = await store.read(CA_FILES.roots, "public");
  if (rootsPem !== null) {
    const root = await plugged(store, { keys, certificate, rootsPem });
    const why = unfit(root, o.nowMs);
    if (why !== null) throw bad(store, why);
    return root;
  }
  if (o.nowMs > certificate.notAfterMs) throw bad(store, `${CA_FILES.certificate} has expired`);
  return renew(store, { keys, certificate }, o);
}

async function makeKey(store: KeyStore): Promise<KeyPair> {
  const keys = await generateKeyPair(webcrypto);
  await store.write(CA_FILES.key, await exportPrivateKey(webcrypto, keys), "secret");
  return keys;
}

async function makeRoot(store: KeyStore, keys: KeyPair, o: RootOptions): Promise<Certificate> {
  const { organization, nowMs, rootTtlSec: ttlSec } = o;
  const root = await issueRoot(webcrypto, { signer: await createSigner(webcrypto, keys), organization, nowMs, ttlSec });
  await store.write(CA_FILES.certificate, encodePem("CERTIFICATE", root.der), "public");
  return root;
}

function selfSigned(keys: KeyPair, certificate: Certificate, problems: readonly string[]): Root {
  return {
    ...{ keys, certificate, intermediates: [], rootsPem: encodePem("CERTIFICATE", certificate.der), problems },
    ...{ kind: "own", rotation: NO_ROTATION, isNew: false },
  };
}

/** The same key under a new date. When the disk refuses, the old root serves on. */
async function renew(store: KeyStore, old: Pick<Root, "keys" | "certificate">, o: RootOptions): Promise<Root> {
  const { keys, certificate } = old;
  const left = (certificate.notAfterMs - o.nowMs) / (certificate.notAfterMs - certificate.notBeforeMs);
  if (left > (o.renewShare ?? RENEW_SHARE)) return selfSigned(keys, certificate, []);
  try {
    return selfSigned(keys, await makeRoot(store, keys, o), []);
  } catch (e) {
    if (!MeshError.is(e, Code.Unavailable)) throw e;
    return selfSigned(keys, certificate, [`Cannot renew the root, the old one stays: ${e.message}`]);
  }
}

/** Signing material that somebody else made: an intermediate, its chain and the roots above it. */
async function plugged(
  store: KeyStore,
  o: { readonly keys: KeyPair; readonly certificate: Certificate; readonly rootsPem: string },
): Promise<Root> {
  const chainPem = (await store.read(CA_FILES.chain, "public")) ?? "";
  const above = chainPem.trim() === "" ? [] : readAll(store, CA_FILES.chain, chainPem);
  const roots = readAll(store, CA_FILES.roots, o.rootsPem);
  const isRoot = (c: Certificate): boolean => roots.some((r) => r.serialHex === c.serialHex && same(r.der, c.der));
  const intermediates = [o.certificate, ...above.filter((c) => !same(c.der, o.certificate.der))].filter(
    (c) => !isRoot(c),
  );
  const rootsPem = roots.map((r) => encodePem("CERTIFICATE", r.der)).join("");
  return {
    ...{ keys: o.keys, certificate: o.certificate, intermediates, rootsPem, problems: [] },
    ...{ kind: "given", rotation: NO_ROTATION, isNew: false },
  };
}

async function readKey(store: KeyStore, pem: string): Promise<KeyPair> {
  const keys = await importPrivateKey(webcrypto, pem);
  if (!keys.ok) throw bad(store, `${CA_FILES.key}: ${keys.error.message}`);
  return keys.value;
}

async function readOne(store: KeyStore, name: string, pem: string, keys: KeyPair): Promise<Certificate> {
  const [certificate] = readAll(store, name, pem);
  if (certificate === undefined) throw bad(store, `${name} holds no certificate`);
  if (!certificate.isCa) throw bad(store, `${name} is not the certificate of an authority`);
  const { publicKey } = await createSigner(webcrypto, keys);
  if (!same(publicKey, certificate.publicKey)) throw bad(store, `${name} is not of the key in ${CA_FILES.key}`);
  return certificate;
}

function readAll(store: KeyStore, name: string, pem: string): readonly Certificate[] {
  const parsed = parseCertificates(pem);
  if (!parsed.ok) throw bad(store, `${name}: ${parsed.error.message}`);
  return parsed.value;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

function bad(store: KeyStore, why: string): MeshError {
  return new MeshError(Code.BadInput, `Cannot use the keys in ${store.name}: ${why}`);
}
