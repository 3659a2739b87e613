import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { issueLeaf, issueRoot } from "./issue.ts";
import { encodePem } from "./pem.ts";
import { exportPrivateKey, generateKeyPair, importPrivateKey } from "./private-key.ts";
import { createSigner, createVerifier } from "./signature.ts";
import { createSigningRequest, parseSigningRequest, verifySigningRequest } from "./signing-request.ts";
import { HOUR_MS, NOW_MS, crypto } from "./suite.ts";
import { verifyChain } from "./verify-chain.ts";

const ec = (namedCurve: string, type: "pkcs8" | "sec1"): string =>
  generateKeyPairSync("ec", { namedCurve }).privateKey.export({ type, format: "pem" });
const rsa = (modulusLength: number, type: "pkcs8" | "pkcs1"): string =>
  generateKeyPairSync("rsa", { modulusLength }).privateKey.export({ type, format: "pem" });

describe("private keys that others made", () => {
  for (const [name, pem] of [
    ["P-256, PKCS#8", ec("P-256", "pkcs8")],
    ["P-256, SEC 1", ec("P-256", "sec1")],
    ["P-384, PKCS#8", ec("P-384", "pkcs8")],
    ["P-384, SEC 1", ec("P-384", "sec1")],
    ["RSA, PKCS#8", rsa(2048, "pkcs8")],
    ["RSA, PKCS#1", rsa(3072, "pkcs1")],
    ["P-256 after its parameters", encodePem("EC PARAMETERS", Uint8Array.of(5, 0)) + ec("P-256", "sec1")],
  ] as const)
    test(`${name}: what it issues verifies, and so do its requests`, async () => {
      const keys = await importPrivateKey(crypto, pem);
      if (!keys.ok) throw keys.error;
      const signer = await createSigner(crypto, keys.value);
      const certificate = await issueRoot(crypto, { signer, organization: "o", nowMs: NOW_MS, ttlSec: 3_600 });
      const names = [{ t: "uri", value: "spiffe://td/ns/a/sa/b" }] as const;
      const request = parseSigningRequest(await createSigningRequest(signer, names));
      if (!request.ok) throw request.error;
      const verify = createVerifier(crypto);
      expect((await verifySigningRequest(request.value, verify)).ok).toBe(true);
      const leaf = await issueLeaf(crypto, {
        issuer: { certificate, signer },
        publicKey: request.value.publicKey,
        sans: names,
        nowMs: NOW_MS,
        ttlSec: HOUR_MS / 1_000,
      });
      const path = await verifyChain({
        chain: [leaf],
        roots: [certificate],
        nowMs: NOW_MS,
        purpose: "clientAuth",
        verify,
      });
      expect(path.ok).toBe(true);
    });

  for (const [name, pem, why] of [
    ["of a curve that is not accepted", ec("P-521", "pkcs8"), "neither RSA nor ECDSA"],
    ["of a short RSA modulus", rsa(1024, "pkcs8"), "1024 bits"],
    ["encrypted", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "encrypted"],
    ["of another kind", generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }), "neither"],
    ["SEC 1 without its curve", encodePem("EC PRIVATE KEY", Uint8Array.of(0x30, 3, 2, 1, 1)), "neither"],
  ] as const)
    test(`${name}: refused with the reason`, async () => {
      const r = await importPrivateKey(crypto, pem);
      expect(r.ok ? "accepted" : r.error.message).toContain(why);
    });
});

describe("private keys", () => {
  test("are read back with both halves", async () => {
    const pem = await exportPrivateKey(crypto, await generateKeyPair(crypto));
    const keys = await importPrivateKey(crypto, pem);
    if (!keys.ok) throw keys.error;
    expect(await exportPrivateKey(crypto, keys.value)).toBe(pem);
    expect(keys.value.publicKey.type).toBe("public");
  });
  for (const [name, text] of [
    ["no PEM", "words"],
    ["another kind of block", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
    ["junk", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"],
  ] as const)
    test(`${name} is refused without being quoted`, async () => {
      const r = await importPrivateKey(crypto, text);
      expect(r.ok ? "accepted" : r.error.message).toMatch(/^Cannot read private key: (?!.*c2VjcmV0)/);
    });
});
