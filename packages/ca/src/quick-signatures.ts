import { Buffer } from "node:buffer";
import { KeyObject, createPublicKey, hash, sign, verify, webcrypto } from "node:crypto";
import {
  type CryptoPort,
  type KeyPair,
  Oid,
  type Signer,
  type VerifySignature,
  createSigner,
  createVerifier,
} from "@lateen/certificates";

// Signing and verifying with an elliptic curve takes some 30 to 90 microseconds. Web Crypto has a thread of the pool do it, and the
// way there and back costs more than that, and much more where other threads want the processor. RSA takes milliseconds: that stays
// with the pool.

const HASHES: ReadonlyMap<string, string> = new Map([
  [Oid.EcdsaSha256, "sha256"],
  [Oid.EcdsaSha384, "sha384"],
  [Oid.EcdsaSha512, "sha512"],
]);
const CURVES: ReadonlySet<string> = new Set(["prime256v1", "secp384r1", "secp521r1"]);

/** The runtime's, for what issues certificates. */
export const quickCrypto: CryptoPort = {
  subtle: webcrypto.subtle,
  getRandomValues: (array) => webcrypto.getRandomValues(array),
  sha256: (bytes) => hash("sha256", bytes, "buffer"),
};

/** As `createSigner`; signs at once with an ECDSA key. */
export async function createQuickSigner(keys: KeyPair): Promise<Signer> {
  const signer = await createSigner(webcrypto, keys);
  const digest = HASHES.get(signer.algorithm);
  if (digest === undefined) return signer;
  const key = KeyObject.from(keys.privateKey);
  return { ...signer, sign: (message) => Promise.resolve(sign(digest, message, { key, dsaEncoding: "der" })) };
}

/** As `createVerifier`; verifies ECDSA at once. */
export function createQuickVerifier(): VerifySignature {
  const others = createVerifier(webcrypto);
  return (claim) => {
    const digest = HASHES.get(claim.algorithm);
    if (digest === undefined) return others(claim);
    try {
      const key = createPublicKey({ key: Buffer.from(claim.publicKey), format: "der", type: "spki" });
      const fits = key.asymmetricKeyType === "ec" && CURVES.has(key.asymmetricKeyDetails?.namedCurve ?? "");
      return Promise.resolve(fits && verify(digest, claim.message, { key, dsaEncoding: "der" }, claim.signature));
    } catch {
      return Promise.resolve(false); // a key that cannot be read signs nothing
    }
  };
}
