import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { isSigned } from "@lateen/certificate-signatures";
import type { SignedBy, VerifySignatureNow } from "@lateen/certificates";

/** Signatures remembered, oldest forgotten first. */
const MAX_KNOWN = 1024;

/**
 * Verifies the signatures that a chain search asks about, synchronously, and remembers those that are good: whether a key made
 * a signature does not change, and most handshakes are with peers seen before. Dates, purposes and trust are no part of it.
 */
export function signatureCheck(): VerifySignatureNow {
  const known = new Set<string>();
  /** Good ones by their signature, for claims made of the very same values: no digest is needed to know them again. */
  const same = new WeakMap<Uint8Array, SignedBy>();
  return (claim) => {
    const before = same.get(claim.signature);
    if (before !== undefined && areSame(before, claim)) return true;
    const name = claimName(claim);
    if (!known.has(name)) {
      if (!isSigned(claim)) return false;
      if (known.size >= MAX_KNOWN) known.delete(known.values().next().value ?? "");
      known.add(name);
    }
    same.set(claim.signature, claim);
    return true;
  };
}

const areSame = (a: SignedBy, b: SignedBy): boolean =>
  a.publicKey === b.publicKey && a.message === b.message && a.signature === b.signature && a.algorithm === b.algorithm;

/** A digest of all parts; their lengths keep them apart. */
function claimName({ publicKey, algorithm, message, signature }: SignedBy): string {
  const lengths = Buffer.from(`${algorithm} ${publicKey.length} ${message.length} ${signature.length} `, "latin1");
  return hash("sha256", Buffer.concat([lengths, publicKey, message, signature]), "base64");
}
