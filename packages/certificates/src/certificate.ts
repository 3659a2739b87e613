import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { bytesEqual, hex } from "./bytes.ts";
import { DerError, DerReader, Tag, constructed, primitive } from "./der-reader.ts";
import { type Extensions, NO_EXTENSIONS, readExtensions } from "./extensions.ts";
import type { KeyUsage } from "./oids.ts";
import { decodePem } from "./pem.ts";
import type { SubjectAltName } from "./subject-alt-names.ts";

/** An X.509 certificate as a value. Byte arrays alias `der`, which must not be changed. */
export interface Certificate extends Extensions {
  readonly der: Uint8Array;
  /** What the signature covers. */
  readonly tbs: Uint8Array;
  /** Lower case, without leading zero bytes. */
  readonly serialHex: string;
  /** Names as DER; chains are built by comparing these bytes. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** Object identifier. */
  readonly signatureAlgorithm: string;
  readonly signature: Uint8Array;
}
export type { KeyUsage, SubjectAltName };

const MAX_DER_BYTES = 64 * 1024;
/** By the array itself, which nobody changes: in one handshake several look at the same one. */
const PARSED = new WeakMap<Uint8Array, Certificate>();

/**
 * Parses one certificate strictly. Signatures, dates and chains are not judged here.
 * @param der aliased by the result
 * @returns BAD_INPUT saying which part is malformed
 * @see RFC 5280 section 4
 */
export function parseCertificate(der: Uint8Array): Result<Certificate> {
  const known = PARSED.get(der);
  if (known !== undefined) return ok(known);
  const parsed = readDer("certificate", der, readCertificate);
  if (parsed.ok) PARSED.set(der, parsed.value);
  return parsed;
}

/**
 * Every CERTIFICATE block of a PEM text, in order; blocks of other kinds (keys) are passed over.
 * @returns BAD_INPUT when the text holds no PEM block or a certificate is malformed; no certificates is not an error
 */
export function parseCertificates(pem: string): Result<readonly Certificate[]> {
  const blocks = decodePem(pem);
  if (!blocks.ok) return blocks;
  if (blocks.value.length === 0)
    return fail(new MeshError(Code.BadInput, "Cannot read certificates: no PEM block found"));
  const certificates: Certificate[] = [];
  for (const block of blocks.value) {
    if (block.label !== "CERTIFICATE") continue;
    const parsed = parseCertificate(block.der);
    if (!parsed.ok) return parsed;
    certificates.push(parsed.value);
  }
  return ok(certificates);
}

/** The serial number in decimal, as tools print it. */
export function serialDecimal(certificate: Pick<Certificate, "serialHex">): string {
  return BigInt(`0x${certificate.serialHex}`).toString();
}

/** The URI names, in order. */
export function uriNames(certificate: Pick<Certificate, "sans">): readonly string[] {
  return certificate.sans.filter((n) => n.t === "uri").map((n) => n.value);
}

/** Runs a strict reader over the whole of `der`; its `DerError` becomes BAD_INPUT. */
export function readDer<T>(what: string, der: Uint8Array, read: (r: DerReader, der: Uint8Array) => T): Result<T> {
  if (der.length > MAX_DER_BYTES)
    return fail(new MeshError(Code.BadInput, `Cannot parse ${what}: ${der.length} bytes, at most ${MAX_DER_BYTES}`));
  try {
    const reader = new DerReader(der);
    const value = read(reader, der);
    reader.done(what);
    return ok(value);
  } catch (e) {
    if (e instanceof DerError) return fail(new MeshError(Code.BadInput, `Cannot parse ${what}: ${e.message}`));
    throw e;
  }
}

function readCertificate(reader: DerReader, der: Uint8Array): Certificate {
  const outer = reader.enter(Tag.Sequence);
  const tbs = outer.element(Tag.Sequence);
  const algorithm = outer.element(Tag.Sequence);
  const signature = outer.bitString();
  outer.done("signature");
  const t = new DerReader(tbs).enter(Tag.Sequence);
  const version = t.enterIf(constructed(0));
  const v3 = version !== null && version.smallInteger() === 2;
  version?.done("version");
  const serial = t.integer();
  if (!bytesEqual(t.element(Tag.Sequence), algorithm)) throw new DerError("the two signature algorithms differ");
  const issuer = t.element(Tag.Sequence);
  const validity = t.enter(Tag.Sequence);
  const notBeforeMs = readTime(validity);
  const notAfterMs = readTime(validity);
  validity.done("validity");
  const subject = t.element(Tag.Sequence);
  const publicKey = t.element(Tag.Sequence);
  for (const uniqueId of [primitive(1), primitive(2)]) if (t.peek() === uniqueId) t.content(uniqueId);
  const wrapped = t.enterIf(constructed(3));
  if (wrapped !== null && !v3) throw new DerError("extensions stand in a certificate of version 1 or 2");
  const extensions = wrapped === null ? NO_EXTENSIONS : readExtensions(wrapped.enter(Tag.Sequence));
  wrapped?.done("extensions");
  t.done("extensions");
  const oid = new DerReader(algorithm).enter(Tag.Sequence).oid();
  const serialHex = hex(serial).replace(/^(?:00)+(?=..)/, "");
  return {
    der,
    tbs,
    serialHex,
    issuer,
    subject,
    notBeforeMs,
    notAfterMs,
    publicKey,
    signatureAlgorithm: oid,
    signature,
    ...extensions,
  };
}

/** UTCTime or GeneralizedTime, both in UTC and with seconds, as RFC 5280 demands. */
function readTime(reader: DerReader): number {
  const tag = reader.peek() === Tag.UtcTime ? Tag.UtcTime : Tag.GeneralizedTime;
  const text = String.fromCharCode(...reader.content(tag).subarray(0, 20));
  const digits = tag === Tag.UtcTime ? (text < "50" ? "20" : "19") + text : text;
  if (!/^\d{14}Z$/.test(digits)) throw new DerError("a date is malformed");
  const part = (at: number, n = 2): number => Number(digits.slice(at, at + n));
  const ms = Date.UTC(part(0, 4), part(4) - 1, part(6), part(8), part(10), part(12));
  const back = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  if (back !== digits) throw new DerError("a date does not exist");
  return ms;
}
