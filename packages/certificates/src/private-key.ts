import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { owned } from "./bytes.ts";
import { readDer } from "./certificate.ts";
import { DerReader, Tag, constructed } from "./der-reader.ts";
import * as der from "./der-writer.ts";
import { Oid } from "./oids.ts";
import { decodePem, encodePem } from "./pem.ts";
import { type CryptoPort, type KeyPair, publicKeyProblem } from "./signature.ts";

const PKCS8 = "PRIVATE KEY";
const PKCS1 = "RSA PRIVATE KEY";
const SEC1 = "EC PRIVATE KEY";

/** What Web Crypto is told of a key, by the curve, or by its being RSA. */
type ImportParams =
  | { readonly name: "ECDSA"; readonly namedCurve: string }
  | { readonly name: "RSASSA-PKCS1-v1_5"; readonly hash: string };
const ALGORITHMS: ReadonlyMap<string, ImportParams> = new Map<string, ImportParams>([
  [Oid.P256, { name: "ECDSA", namedCurve: "P-256" }],
  [Oid.P384, { name: "ECDSA", namedCurve: "P-384" }],
  [Oid.RsaEncryption, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }],
]);
/** The members of a JSON Web Key that only the private half has (RFC 7518 6.2.2, 6.3.2), and its uses. */
const PRIVATE_MEMBERS: ReadonlySet<string> = new Set(["d", "p", "q", "dp", "dq", "qi", "oth", "key_ops"]);

/** A new ECDSA P-256 key. */
export function generateKeyPair(crypto: CryptoPort): Promise<KeyPair> {
  return crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
}

/** PKCS#8 PEM. */
export async function exportPrivateKey(crypto: CryptoPort, keys: KeyPair): Promise<string> {
  return encodePem(PKCS8, new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey)));
}

/**
 * Reads an ECDSA key on P-256 or P-384, or an RSA key of 2048 to 8192 bits.
 * @param pem PKCS#8 (RFC 5958), PKCS#1 (RFC 8017) or SEC 1 (RFC 5915), the first such block; blocks of other kinds are passed over
 * @returns BAD_INPUT when there is no such key; the message never quotes the text
 */
export async function importPrivateKey(crypto: CryptoPort, pem: string): Promise<Result<KeyPair>> {
  const blocks = decodePem(pem);
  if (!blocks.ok) return bad("it is not PEM");
  if (blocks.value.some((b) => b.label === "ENCRYPTED PRIVATE KEY")) return bad("it is encrypted");
  const block = blocks.value.find(({ label }) => label === PKCS8 || label === PKCS1 || label === SEC1);
  if (block === undefined) return bad("there is no PRIVATE KEY block");
  const pkcs8 = readDer("private key", block.der, (r) => asPkcs8(block.label, r.element()));
  const kind = pkcs8.ok ? readDer("private key", pkcs8.value, kindOf) : pkcs8;
  const algorithm = kind.ok ? ALGORITHMS.get(kind.value) : undefined;
  if (!pkcs8.ok || algorithm === undefined) return bad("it is neither RSA nor ECDSA on P-256 or P-384");
  try {
    const privateKey = await crypto.subtle.importKey("pkcs8", owned(pkcs8.value), algorithm, true, ["sign"]);
    const whole = Object.entries(await crypto.subtle.exportKey("jwk", privateKey));
    const half = Object.fromEntries(whole.filter(([member]) => !PRIVATE_MEMBERS.has(member)));
    const publicKey = await crypto.subtle.importKey("jwk", half, algorithm, true, ["verify"]);
    const problem = publicKeyProblem(new Uint8Array(await crypto.subtle.exportKey("spki", publicKey)));
    return problem === null ? ok({ privateKey, publicKey }) : bad(`it ${problem}`);
  } catch {
    return bad("it is neither RSA nor ECDSA on P-256 or P-384"); // Web Crypto gives no reason worth repeating
  }
}

/** The one form that Web Crypto reads. */
function asPkcs8(label: string, key: Uint8Array): Uint8Array {
  if (label === PKCS8) return key;
  const algorithm =
    label === PKCS1
      ? der.sequence(der.oid(Oid.RsaEncryption), der.element(Tag.Null))
      : der.sequence(der.oid(Oid.EcPublicKey), der.oid(curveOf(key)));
  return der.sequence(der.smallInteger(0), algorithm, der.octetString(key));
}

/** The curve that a SEC 1 key names. */
function curveOf(key: Uint8Array): string {
  const body = new DerReader(key).enter(Tag.Sequence);
  body.smallInteger();
  body.content(Tag.OctetString);
  return body.enter(constructed(0)).oid();
}

/** The curve of a PKCS#8 key, or the object identifier of its algorithm when that has none. */
function kindOf(reader: DerReader): string {
  const body = reader.enter(Tag.Sequence);
  body.smallInteger();
  const id = body.enter(Tag.Sequence);
  const algorithm = id.oid();
  const kind = algorithm === Oid.EcPublicKey ? id.oid() : algorithm;
  id.rest();
  body.rest();
  return kind;
}

const bad = (why: string): Result<never> => fail(new MeshError(Code.BadInput, `Cannot read private key: ${why}`));
