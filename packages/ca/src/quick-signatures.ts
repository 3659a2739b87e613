import { KeyObject, hash, sign, webcrypto } from "node:crypto";
import { ecdsaHash, isSigned } from "@lateen/certificate-signatures";
import {
  type CryptoPort,
  type KeyPair,
  type Signer,
  type VerifySignature,
  createSigner,
  createVerifier,
} from "@lateen/certificates";

// Signing and verifying with an elliptic curve takes some 30 to 90 microseconds. Web Crypto has a thread of the pool do it, and the
// way there and back costs more than that, and much more where other threads want the processor. RSA takes milliseconds: that stays
// with the pool.

/** The runtime's, for what issues certificates. */
export const quickCrypto: CryptoPort = {
  subtle: webcrypto.subtle,
  getRandomValues: (array) => webcrypto.getRandomValues(array),
  sha256: (bytes) => hash("sha256", bytes, "buffer"),
};

/** As `createSigner`; signs at once with an ECDSA key. */
export async function createQuickSigner(keys: KeyPair): Promise<Signer> {
  const signer = await createSigner(webcrypto, keys);
  const digest = ecdsaHash(signer.algorithm);
  if (digest === undefined) return signer;
  const key = KeyObject.from(keys.privateKey);
  return { ...signer, sign: (message) => Promise.resolve(sign(digest, message, { key, dsaEncoding: "der" })) };
}

/** As `createVerifier`; verifies ECDSA at once. */
export function createQuickVerifier(): VerifySignature {
  const others = createVerifier(webcrypto);
  return (claim) => (ecdsaHash(claim.algorithm) === undefined ? others(claim) : Promise.resolve(isSigned(claim)));
}
