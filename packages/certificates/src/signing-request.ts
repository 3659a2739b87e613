import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { bytesEqual } from "./bytes.ts";
import { readDer } from "./certificate.ts";
import { DerError, DerReader, Tag, constructed } from "./der-reader.ts";
import * as der from "./der-writer.ts";
import { readExtensions } from "./extensions.ts";
import { Oid } from "./oids.ts";
import { decodePem, encodePem } from "./pem.ts";
import { type Signer, type VerifySignature, keyKind, signatureAlgorithm } from "./signature.ts";
import { type IssuedName, type SubjectAltName, writeNames } from "./subject-alt-names.ts";

/** A PKCS#10 request as a value. What it asks for is a wish: an authority issues for who the caller is. */
export interface SigningRequest {
  readonly tbs: Uint8Array;
  /** Name as DER. */
  readonly subject: Uint8Array;
  /** Whether the subject names anything. */
  readonly hasSubject: boolean;
  /** Whether the subject holds a common name that is not empty. */
  readonly hasCommonName: boolean;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly sans: readonly SubjectAltName[];
  readonly signatureAlgorithm: string;
  readonly signature: Uint8Array;
}

const LABELS = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"] as const;
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;

/** A request with an empty subject and one extension, the alternative names. @returns PEM @see dataplane 9.2 */
export async function createSigningRequest(signer: Signer, names: readonly IssuedName[]): Promise<string> {
  const sans = der.sequence(der.oid(Oid.SubjectAltName), der.boolean(true), der.octetString(writeNames(names)));
  const attribute = der.sequence(der.oid(Oid.ExtensionRequest), der.element(Tag.Set, der.sequence(sans)));
  const info = der.sequence(der.smallInteger(0), der.sequence(), signer.publicKey, der.explicit(0, attribute));
  const signature = await signer.sign(info);
  const request = der.sequence(info, signatureAlgorithm(signer.algorithm), der.bitString(signature));
  return encodePem(LABELS[0], request);
}

/**
 * Reads the one request of a PEM text and judges its key: RSA of 2048 to 8192 bits, or ECDSA on P-256 or P-384.
 * @returns BAD_INPUT saying what is malformed or not accepted. The signature is not verified here
 */
export function parseSigningRequest(pem: string): Result<SigningRequest> {
  const blocks = decodePem(pem);
  if (!blocks.ok) return blocks;
  const [block, ...more] = blocks.value;
  if (block === undefined || more.length > 0 || !LABELS.some((l) => l === block.label))
    return fail(new MeshError(Code.BadInput, "Cannot parse CSR: it is not one CERTIFICATE REQUEST block"));
  return readDer("CSR", block.der, readRequest);
}

/** Whether whoever made the request holds its key. */
export async function verifySigningRequest(
  request: SigningRequest,
  verify: VerifySignature,
): Promise<Result<SigningRequest>> {
  const { publicKey, signatureAlgorithm: algorithm, tbs: message, signature } = request;
  if (await verify({ publicKey, algorithm, message, signature })) return ok(request);
  return fail(new MeshError(Code.BadInput, "Cannot accept CSR: its signature is not of its key"));
}

function readRequest(reader: DerReader): SigningRequest {
  const outer = reader.enter(Tag.Sequence);
  const tbs = outer.element(Tag.Sequence);
  const signatureAlgorithm = new DerReader(outer.element(Tag.Sequence)).enter(Tag.Sequence).oid();
  const signature = outer.bitString();
  outer.done("signature");
  const info = new DerReader(tbs).enter(Tag.Sequence);
  if (info.smallInteger() !== 0) throw new DerError("its version is not 1");
  const subject = info.element(Tag.Sequence);
  const publicKey = info.element(Tag.Sequence);
  checkKey(publicKey);
  const attributes = info.enterIf(constructed(0));
  const sans = attributes === null ? [] : readAttributes(attributes);
  info.done("attributes");
  const hasSubject = !bytesEqual(subject, der.sequence());
  const hasCommonName = namesCommonly(new DerReader(subject).enter(Tag.Sequence));
  return { tbs, subject, hasSubject, hasCommonName, publicKey, sans, signatureAlgorithm, signature };
}

function namesCommonly(subject: DerReader): boolean {
  while (!subject.atEnd)
    for (const part = subject.enter(Tag.Set); !part.atEnd;) {
      const attribute = part.enter(Tag.Sequence);
      const isCommonName = attribute.oid() === Oid.CommonName;
      if (attribute.content(attribute.peek()).length > 0 && isCommonName) return true;
    }
  return false;
}

function checkKey(publicKey: Uint8Array): void {
  const kind = keyKind(new DerReader(publicKey));
  const rsa = kind.algorithm === Oid.RsaEncryption && kind.bits >= MIN_RSA_BITS && kind.bits <= MAX_RSA_BITS;
  const ec = kind.algorithm === Oid.EcPublicKey && (kind.curve === Oid.P256 || kind.curve === Oid.P384);
  if (!rsa && !ec) throw new DerError("its key is neither RSA of 2048 to 8192 bits nor ECDSA on P-256 or P-384");
}

function readAttributes(attributes: DerReader): readonly SubjectAltName[] {
  let sans: readonly SubjectAltName[] | null = null;
  while (!attributes.atEnd) {
    const attribute = attributes.enter(Tag.Sequence);
    const isExtensions = attribute.oid() === Oid.ExtensionRequest;
    const values = attribute.enter(Tag.Set);
    attribute.done("attribute");
    if (!isExtensions) continue;
    if (sans !== null) throw new DerError("it asks for extensions twice");
    sans = readExtensions(values.enter(Tag.Sequence)).sans;
    values.done("requested extensions");
  }
  return sans ?? [];
}
