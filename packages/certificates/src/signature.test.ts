import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Oid } from "./oids.ts";
import { createVerifier, ecdsaFromDer, ecdsaToDer } from "./signature.ts";
import { crypto, makeSigner } from "./suite.ts";

const message = new TextEncoder().encode("message");

test("a signature verifies with its key, its message and its algorithm only", async () => {
  const [signer, other] = [await makeSigner(), await makeSigner()];
  const verify = createVerifier(crypto);
  const good = {
    publicKey: signer.publicKey,
    algorithm: signer.algorithm,
    message,
    signature: await signer.sign(message),
  };
  expect(await verify(good)).toBe(true);
  expect(await verify({ ...good, publicKey: other.publicKey })).toBe(false);
  expect(await verify({ ...good, message: message.slice(1) })).toBe(false);
  expect(await verify({ ...good, algorithm: Oid.EcdsaSha384 })).toBe(false);
  expect(await verify({ ...good, algorithm: Oid.RsaSha256 })).toBe(false);
  expect(await verify({ ...good, algorithm: "1.2.3" })).toBe(false);
  expect(await verify({ ...good, signature: new Uint8Array(0) })).toBe(false);
  expect(await verify({ ...good, publicKey: Uint8Array.of(0x30, 0) })).toBe(false);
});

test("RSA signatures of other authorities verify", async () => {
  const params = {
    name: "RSASSA-PKCS1-v1_5",
    modulusLength: 2048,
    publicExponent: Uint8Array.of(1, 0, 1),
    hash: "SHA-256",
  };
  const keys = await crypto.subtle.generateKey(params, true, ["sign", "verify"]);
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey));
  const signature = new Uint8Array(await crypto.subtle.sign(params, keys.privateKey, message));
  const verify = createVerifier(crypto);
  expect(await verify({ publicKey, algorithm: Oid.RsaSha256, message, signature })).toBe(true);
  expect(await verify({ publicKey, algorithm: Oid.RsaSha512, message, signature })).toBe(false);
});

describe("ECDSA signatures", () => {
  test("change their form and back", () =>
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (raw) => {
        expect(ecdsaFromDer(ecdsaToDer(raw), 32)).toEqual(new Uint8Array(raw));
      }),
    ));
  test("any bytes give a signature or null", () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const raw = ecdsaFromDer(bytes, 32);
        expect(raw === null || raw.length === 64).toBe(true);
      }),
    ));
});
