import { Code, MeshError } from "@lateen/errors";
import { owned } from "./bytes.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { DerReader, Tag, primitive } from "./der-reader.ts";
import * as der from "./der-writer.ts";
import { KEY_USAGES, type KeyUsage, Oid } from "./oids.ts";
import { type CryptoPort, type Signer, signatureAlgorithm } from "./signature.ts";
import { type IssuedName, writeNames } from "./subject-alt-names.ts";

export interface Subject {
  readonly organization?: string;
  readonly commonName?: string;
}

/** Who signs: a certificate with the signer of its key, or "self" for a root. */
export interface Issuer {
  readonly certificate: Certificate | "self";
  readonly signer: Signer;
}

export interface IssueOptions {
  readonly issuer: Issuer;
  /** SubjectPublicKeyInfo of whom it is issued to. */
  readonly publicKey: Uint8Array;
  /** Empty by default; then the alternative names are critical (RFC 5280 4.2.1.6). */
  readonly subject?: Subject;
  readonly sans?: readonly IssuedName[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Present for an authority; `pathLength` null sets no limit on what follows. */
  readonly authority?: { readonly pathLength: number | null };
  readonly keyUsages: readonly KeyUsage[];
  /** Object identifiers, none for a certificate of any purpose. */
  readonly extKeyUsages?: readonly string[];
}

const SERIAL_BYTES = 16;
const KEY_ID_BYTES = 20;

/** Signs a certificate exactly as described. `issueRoot`, `issueIntermediate` and `issueLeaf` describe the usual ones. */
export async function issueCertificate(crypto: CryptoPort, o: IssueOptions): Promise<Certificate> {
  const { signer, certificate } = o.issuer;
  const algorithm = signatureAlgorithm(signer.algorithm);
  const subject = encodeSubject(o.subject ?? {});
  const tbs = der.sequence(
    der.explicit(0, der.smallInteger(2)),
    der.unsignedInteger(randomSerial(crypto)),
    algorithm,
    certificate === "self" ? subject : certificate.subject,
    der.sequence(der.time(o.notBeforeMs), der.time(o.notAfterMs)),
    subject,
    o.publicKey,
    der.explicit(3, der.sequence(...(await extensions(crypto, o)))),
  );
  const bytes = der.sequence(tbs, algorithm, der.bitString(await signer.sign(tbs)));
  const parsed = parseCertificate(bytes);
  if (!parsed.ok) throw new MeshError(Code.Bug, "Issued a certificate that does not parse", {}, parsed.error);
  return parsed.value;
}

export interface RootOptions {
  readonly signer: Signer;
  readonly organization: string;
  readonly nowMs: number;
  readonly ttlSec: number;
}

/** A self-signed root. */
export function issueRoot(crypto: CryptoPort, o: RootOptions): Promise<Certificate> {
  return issueCertificate(crypto, {
    issuer: { certificate: "self", signer: o.signer },
    publicKey: o.signer.publicKey,
    subject: { organization: o.organization },
    notBeforeMs: o.nowMs - BACKDATED_MS,
    notAfterMs: o.nowMs + o.ttlSec * 1000,
    authority: { pathLength: null },
    keyUsages: ["keyCertSign", "cRLSign"],
  });
}

/** An authority under another one; its own certificates are leaves. */
export function issueIntermediate(
  crypto: CryptoPort,
  o: Omit<RootOptions, "signer"> & { readonly issuer: Issuer; readonly publicKey: Uint8Array },
): Promise<Certificate> {
  const subject = { organization: o.organization, commonName: "intermediate" };
  return issueBelow(crypto, { ...o, subject }, AUTHORITY_OF_LEAVES);
}

export interface LeafOptions {
  readonly issuer: Issuer;
  readonly publicKey: Uint8Array;
  readonly sans: readonly IssuedName[];
  readonly subject?: Subject;
  readonly nowMs: number;
  readonly ttlSec: number;
}

/** Clocks of peers may be this much behind. */
const BACKDATED_MS = 120_000;

/**
 * A certificate of a workload or server: for both sides of TLS, from two minutes ago, never beyond its issuer.
 * @see control-plane 6.2, X509-SVID
 */
export function issueLeaf(crypto: CryptoPort, o: LeafOptions): Promise<Certificate> {
  const use = {
    keyUsages: ["digitalSignature", "keyEncipherment"],
    extKeyUsages: [Oid.ServerAuth, Oid.ClientAuth],
  } as const;
  return issueBelow(crypto, o, use);
}

/** A certificate of an authority below another one, whose own certificates are leaves; under the names it is given. */
export function issueAuthority(crypto: CryptoPort, o: LeafOptions): Promise<Certificate> {
  return issueBelow(crypto, o, { ...AUTHORITY_OF_LEAVES, keyUsages: ["keyCertSign"] });
}

const AUTHORITY_OF_LEAVES = { authority: { pathLength: 0 }, keyUsages: ["keyCertSign", "cRLSign"] } as const;

/** From two minutes ago, never beyond its issuer. */
function issueBelow(
  crypto: CryptoPort,
  { issuer, publicKey, subject = {}, sans = [], nowMs, ttlSec }: Omit<LeafOptions, "sans"> & Partial<LeafOptions>,
  use: Pick<IssueOptions, "authority" | "keyUsages" | "extKeyUsages">,
): Promise<Certificate> {
  const notBeforeMs = nowMs - BACKDATED_MS;
  const notAfterMs = notAfter(nowMs + ttlSec * 1000, issuer);
  return issueCertificate(crypto, { issuer, publicKey, subject, sans, notBeforeMs, notAfterMs, ...use });
}

function notAfter(wantedMs: number, issuer: Issuer): number {
  return issuer.certificate === "self" ? wantedMs : Math.min(wantedMs, issuer.certificate.notAfterMs);
}

async function extensions(crypto: CryptoPort, o: IssueOptions): Promise<readonly Uint8Array[]> {
  const out: Uint8Array[] = [extension(Oid.KeyUsage, true, keyUsageBits(o.keyUsages))];
  if (o.extKeyUsages !== undefined && o.extKeyUsages.length > 0)
    out.push(extension(Oid.ExtKeyUsage, false, der.sequence(...o.extKeyUsages.map(der.oid))));
  out.push(extension(Oid.BasicConstraints, true, basicConstraints(o.authority)));
  const own = await keyId(crypto, o.publicKey);
  out.push(extension(Oid.SubjectKeyId, false, der.octetString(own)));
  const above = await authorityKeyId(crypto, o.issuer);
  out.push(extension(Oid.AuthorityKeyId, false, der.sequence(der.element(primitive(0), above))));
  if (o.sans !== undefined && o.sans.length > 0)
    out.push(extension(Oid.SubjectAltName, isEmpty(o.subject), writeNames(o.sans)));
  return out;
}

/** The identifier that the issuer's own certificate carries, else the one this package would give its key. */
async function authorityKeyId(crypto: CryptoPort, issuer: Issuer): Promise<Uint8Array> {
  const carried = issuer.certificate === "self" ? null : issuer.certificate.subjectKeyId;
  if (carried === null) return keyId(crypto, issuer.signer.publicKey);
  return Uint8Array.from(carried.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  const flag = critical ? [der.boolean(true)] : [];
  return der.sequence(der.oid(id), ...flag, der.octetString(value));
}

function basicConstraints(authority: IssueOptions["authority"]): Uint8Array {
  if (authority === undefined) return der.sequence();
  const limit = authority.pathLength === null ? [] : [der.smallInteger(authority.pathLength)];
  return der.sequence(der.boolean(true), ...limit);
}

function keyUsageBits(usages: readonly KeyUsage[]): Uint8Array {
  const bits = usages.reduce((n, u) => n | (0x8000 >>> KEY_USAGES.indexOf(u)), 0);
  const bytes = (bits & 0xff) === 0 ? Uint8Array.of(bits >>> 8) : Uint8Array.of(bits >>> 8, bits & 0xff);
  const last = bytes[bytes.length - 1] ?? 0;
  return der.bitString(bytes, last === 0 ? 0 : 31 - Math.clz32(last & -last));
}

function encodeSubject(subject: Subject): Uint8Array {
  const part = (id: string, text: string | undefined): readonly Uint8Array[] =>
    text === undefined ? [] : [der.element(Tag.Set, der.sequence(der.oid(id), der.utf8String(text)))];
  return der.sequence(...part(Oid.Organization, subject.organization), ...part(Oid.CommonName, subject.commonName));
}

function isEmpty(subject: Subject | undefined): boolean {
  return subject?.organization === undefined && subject?.commonName === undefined;
}

/** 127 random bits with the next one set: positive, never zero, always of the same length. */
function randomSerial(crypto: CryptoPort): Uint8Array {
  const bytes = crypto.getRandomValues(new Uint8Array(SERIAL_BYTES));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

/** The leftmost 160 bits of SHA-256 over the key (RFC 7093 method 1). */
async function keyId(crypto: CryptoPort, publicKey: Uint8Array): Promise<Uint8Array> {
  const spki = new DerReader(publicKey).enter(Tag.Sequence);
  spki.element(Tag.Sequence);
  const bits = owned(spki.bitString());
  const digest = crypto.sha256?.(bits) ?? new Uint8Array(await crypto.subtle.digest("SHA-256", bits));
  return digest.subarray(0, KEY_ID_BYTES);
}
