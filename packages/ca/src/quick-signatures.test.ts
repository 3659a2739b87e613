import { webcrypto } from "node:crypto";
import { type KeyPair, Oid, type SignedBy, createSigner, createVerifier, generateKeyPair } from "@lateen/certificates";
import { describe, expect, test } from "vitest";
import { createQuickSigner, createQuickVerifier, quickCrypto } from "./quick-signatures.ts";

const message = new TextEncoder().encode("message");
const quick = createQuickVerifier();
const slow = createVerifier(webcrypto);

const ec = (namedCurve: string): Promise<KeyPair> =>
  webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve }, true, ["sign", "verify"]);
const rsa = (): Promise<KeyPair> =>
  webcrypto.subtle.generateKey(
    { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: "SHA-256" },
    true,
    ["sign", "verify"],
  );

async function claim(keys: KeyPair, by = createQuickSigner): Promise<SignedBy> {
  const { publicKey, algorithm, sign } = await by(keys);
  return { publicKey, algorithm, message, signature: await sign(message) };
}

describe.each([
  ["P-256", () => ec("P-256"), Oid.EcdsaSha256],
  ["P-384", () => ec("P-384"), Oid.EcdsaSha384],
  ["RSA", rsa, Oid.RsaSha256],
] as const)("%s", (_, make, algorithm) => {
  test("what either signs, both verify", async () => {
    const keys = await make();
    for (const by of [createQuickSigner, (pair: KeyPair) => createSigner(webcrypto, pair)]) {
      const good = await claim(keys, by);
      expect(good.algorithm).toBe(algorithm);
      expect([await quick(good), await slow(good)]).toEqual([true, true]);
    }
  });

  test("neither verifies what differs in one part", async () => {
    const good = await claim(await make());
    const other = await claim(await make());
    const wrong: readonly SignedBy[] = [
      { ...good, publicKey: other.publicKey },
      { ...good, signature: other.signature },
      { ...good, message: message.slice(1) },
      { ...good, algorithm: good.algorithm === Oid.EcdsaSha512 ? Oid.EcdsaSha256 : Oid.EcdsaSha512 },
      { ...good, algorithm: "1.2.3" },
      { ...good, signature: new Uint8Array(0) },
      { ...good, publicKey: Uint8Array.of(0x30, 0) },
    ];
    for (const one of wrong) expect([await quick(one), await slow(one)]).toEqual([false, false]);
  });
});

test("an elliptic algorithm with a key of RSA is a false, and the other way round", async () => {
  const [curve, integer] = [await claim(await generateKeyPair(webcrypto)), await claim(await rsa())];
  expect(await quick({ ...curve, publicKey: integer.publicKey })).toBe(false);
  expect(await quick({ ...integer, publicKey: curve.publicKey })).toBe(false);
});

test("the digest of the runtime is that of Web Crypto", async () => {
  expect(new Uint8Array(quickCrypto.sha256?.(message) ?? [])).toEqual(
    new Uint8Array(await webcrypto.subtle.digest("SHA-256", message)),
  );
});
