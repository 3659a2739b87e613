import { Buffer } from "node:buffer";
import { type KeyObject, createPublicKey, verify } from "node:crypto";
import { Oid, type SignedBy } from "@lateen/certificates";

const ECDSA_HASHES: ReadonlyMap<string, string> = new Map([
  [Oid.EcdsaSha256, "sha256"],
  [Oid.EcdsaSha384, "sha384"],
  [Oid.EcdsaSha512, "sha512"],
]);
const RSA_HASHES: ReadonlyMap<string, string> = new Map([
  [Oid.RsaSha256, "sha256"],
  [Oid.RsaSha384, "sha384"],
  [Oid.RsaSha512, "sha512"],
]);
const CURVES: ReadonlySet<string> = new Set(["prime256v1", "secp384r1", "secp521r1"]);

/**
 * What an algorithm of ECDSA hashes with.
 * @param algorithm object identifier of a signature
 * @returns the hash by its name in `node:crypto`, undefined for what is not ECDSA
 */
export function ecdsaHash(algorithm: string): string | undefined {
  return ECDSA_HASHES.get(algorithm);
}

/**
 * Whether a claim is true, before it returns: ECDSA on P-256, P-384 and P-521 and RSA PKCS#1 v1.5, with SHA-256, SHA-384 or
 * SHA-512. The same ones as `createVerifier` of `@lateen/certificates`, which needs Web Crypto's promises. A key or algorithm that
 * it does not know is a false, never a throw.
 */
export function isSigned({ publicKey, algorithm, message, signature }: SignedBy): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
    const digest = hashFor(key, algorithm);
    return digest !== undefined && verify(digest, message, { key, dsaEncoding: "der" }, signature);
  } catch {
    return false; // a key that cannot be read signs nothing
  }
}

function hashFor(key: KeyObject, algorithm: string): string | undefined {
  if (key.asymmetricKeyType === "rsa") return RSA_HASHES.get(algorithm);
  if (key.asymmetricKeyType !== "ec" || !CURVES.has(key.asymmetricKeyDetails?.namedCurve ?? "")) return undefined;
  return ECDSA_HASHES.get(algorithm);
}
