import { Code, MeshError } from "@lateen/errors";
import { owned } from "./bytes.ts";
import { readDer } from "./certificate.ts";
import { DerError, DerReader, Tag } from "./der-reader.ts";
import { element, oid as objectIdentifier, sequence, unsignedInteger } from "./der-writer.ts";
import { Oid } from "./oids.ts";

/** What this package needs of Web Crypto: `globalThis.crypto` fits. */
export interface CryptoPort extends Pick<Crypto, "subtle" | "getRandomValues"> {
  /** SHA-256 at once, for a runtime that has it: Web Crypto's own comes by way of another thread. */
  readonly sha256?: (bytes: Uint8Array) => Uint8Array;
}

/** Both halves of one key: ECDSA on P-256 or P-384, or RSA. */
export interface KeyPair {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

/** Signs with one private key, wherever that is kept. */
export interface Signer {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** Object identifier of what `sign` makes. */
  readonly algorithm: string;
  readonly sign: (message: Uint8Array) => Promise<Uint8Array>;
}

/** A claim that `signature` over `message` was made with the other half of a key. */
export interface SignedBy {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** Object identifier. */
  readonly algorithm: string;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** Whether a claim is true. A key or algorithm that it does not know is a false, never a throw. */
export type VerifySignature = (s: SignedBy) => Promise<boolean>;
/** The same for a thread in which no promise settles. */
export type VerifySignatureNow = (s: SignedBy) => boolean;

/** How a key signs here: what the signature is called, and what Web Crypto is told. */
const SIGNING = {
  "P-256": { oid: Oid.EcdsaSha256, params: { name: "ECDSA", hash: "SHA-256" } },
  "P-384": { oid: Oid.EcdsaSha384, params: { name: "ECDSA", hash: "SHA-384" } },
  "RSASSA-PKCS1-v1_5": { oid: Oid.RsaSha256, params: { name: "RSASSA-PKCS1-v1_5" } },
} as const;

/**
 * Signs with a key of Web Crypto, with the hash that suits it.
 * @throws MeshError BUG for a key that `importPrivateKey` does not make
 */
export async function createSigner(crypto: CryptoPort, keys: KeyPair): Promise<Signer> {
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey));
  const { algorithm } = keys.privateKey;
  const kind = "namedCurve" in algorithm ? algorithm.namedCurve : algorithm.name;
  const how = Object.entries(SIGNING).find(([name]) => name === kind)?.[1];
  if (how === undefined) throw new MeshError(Code.Bug, `Cannot sign with a key of ${String(kind)}`);
  const sign = async (message: Uint8Array): Promise<Uint8Array> => {
    const raw = new Uint8Array(await crypto.subtle.sign(how.params, keys.privateKey, owned(message)));
    return how.params.name === "ECDSA" ? ecdsaToDer(raw) : raw;
  };
  return { publicKey, algorithm: how.oid, sign };
}

/** An AlgorithmIdentifier of a signature: those of RSA carry a NULL, those of ECDSA nothing (RFC 4055 5, RFC 5758 3.2). */
export function signatureAlgorithm(oid: string): Uint8Array {
  return sequence(objectIdentifier(oid), ...(oid in RSA_HASH ? [element(Tag.Null)] : []));
}

type Hash = "SHA-256" | "SHA-384" | "SHA-512";
const ECDSA_HASH: Readonly<Record<string, Hash>> = {
  [Oid.EcdsaSha256]: "SHA-256",
  [Oid.EcdsaSha384]: "SHA-384",
  [Oid.EcdsaSha512]: "SHA-512",
};
const RSA_HASH: Readonly<Record<string, Hash>> = {
  [Oid.RsaSha256]: "SHA-256",
  [Oid.RsaSha384]: "SHA-384",
  [Oid.RsaSha512]: "SHA-512",
};
const CURVES: Readonly<Record<string, { readonly name: string; readonly bytes: number }>> = {
  [Oid.P256]: { name: "P-256", bytes: 32 },
  [Oid.P384]: { name: "P-384", bytes: 48 },
  [Oid.P521]: { name: "P-521", bytes: 66 },
};

/** Verifies ECDSA on P-256, P-384 and P-521, and RSA PKCS#1 v1.5, with SHA-256, SHA-384 or SHA-512. */
export function createVerifier(crypto: CryptoPort): VerifySignature {
  return async ({ publicKey, algorithm, message, signature }) => {
    const key = readDer("public key", publicKey, keyKind);
    if (!key.ok) return false;
    try {
      if (key.value.algorithm === Oid.RsaEncryption) {
        const hash = RSA_HASH[algorithm];
        if (hash === undefined) return false;
        const params = { name: "RSASSA-PKCS1-v1_5", hash };
        const rsa = await crypto.subtle.importKey("spki", owned(publicKey), params, false, ["verify"]);
        return await crypto.subtle.verify(params, rsa, owned(signature), owned(message));
      }
      const hash = ECDSA_HASH[algorithm];
      const curve = CURVES[key.value.curve];
      const raw = curve === undefined ? null : ecdsaFromDer(signature, curve.bytes);
      if (hash === undefined || curve === undefined || raw === null) return false;
      const params = { name: "ECDSA", namedCurve: curve.name };
      const ec = await crypto.subtle.importKey("spki", owned(publicKey), params, false, ["verify"]);
      return await crypto.subtle.verify({ name: "ECDSA", hash }, ec, raw, owned(message));
    } catch {
      return false; // a key that Web Crypto refuses to import (a point off its curve) signs nothing
    }
  };
}

/** The kind of a SubjectPublicKeyInfo; `curve` is empty for keys that have none. */
export function keyKind(r: DerReader): { readonly algorithm: string; readonly curve: string; readonly bits: number } {
  const outer = r.enter(Tag.Sequence);
  const id = outer.enter(Tag.Sequence);
  const algorithm = id.oid();
  const curve = id.peek() === Tag.Oid ? id.oid() : "";
  id.rest();
  const key = outer.bitString();
  outer.done("public key");
  return { algorithm, curve, bits: algorithm === Oid.RsaEncryption ? rsaBits(key) : 0 };
}

const MIN_RSA_BITS = 2048;
/** A signature of a longer one takes a millisecond and more to verify. */
const MAX_RSA_BITS = 8192;

/** What is wrong with a key whatever it signs, null for nothing. Kinds of key that nothing here verifies are not judged. */
export function publicKeyProblem(publicKey: Uint8Array): string | null {
  const key = readDer("public key", publicKey, keyKind);
  if (!key.ok) return "has a malformed key";
  const { algorithm, bits } = key.value;
  if (algorithm !== Oid.RsaEncryption) return null;
  if (bits < MIN_RSA_BITS) return `has a key of ${bits} bits, at least ${MIN_RSA_BITS} are needed`;
  return bits > MAX_RSA_BITS ? `has a key of ${bits} bits, at most ${MAX_RSA_BITS} are accepted` : null;
}

function rsaBits(key: Uint8Array): number {
  const modulus = new DerReader(key).enter(Tag.Sequence).integer();
  const lead = modulus.findIndex((b) => b !== 0);
  if (lead < 0) throw new DerError("an RSA modulus is zero");
  return (modulus.length - lead) * 8 - Math.clz32(modulus[lead] ?? 0) + 24;
}

/** r and s side by side, as Web Crypto has them, to the SEQUENCE that X.509 has. */
export function ecdsaToDer(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2;
  return sequence(unsignedInteger(raw.subarray(0, half)), unsignedInteger(raw.subarray(half)));
}

/** The reverse, null when it is malformed or a number does not fit. */
export function ecdsaFromDer(der: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> | null {
  const parsed = readDer("signature", der, (r) => {
    const body = r.enter(Tag.Sequence);
    const halves = [body.integer(), body.integer()];
    body.done("signature");
    const raw = new Uint8Array(2 * bytes);
    for (const [i, half] of halves.entries()) {
      if (half[0]! >= 0x80) throw new DerError("a number of the signature is negative"); // `integer` has refused the empty
      const magnitude = half[0] === 0 ? half.subarray(1) : half;
      if (magnitude.length > bytes) throw new DerError("a number of the signature is too large");
      raw.set(magnitude, (i + 1) * bytes - magnitude.length);
    }
    return raw;
  });
  return parsed.ok ? parsed.value : null;
}
