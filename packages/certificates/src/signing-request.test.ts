import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { DerReader, Tag } from "./der-reader.ts";
import { decodePem, encodePem } from "./pem.ts";
import { type Signer, createVerifier } from "./signature.ts";
import { createSigningRequest, parseSigningRequest, verifySigningRequest } from "./signing-request.ts";
import { crypto, makeSigner } from "./suite.ts";

let signer: Signer;
let pem: string;
beforeAll(async () => {
  signer = await makeSigner();
  pem = await createSigningRequest(signer, [{ t: "uri", value: "spiffe://td/ns/a/sa/b" }]);
});
const derOf = (text: string): Uint8Array => {
  const blocks = decodePem(text);
  if (!blocks.ok) throw blocks.error;
  return blocks.value[0]!.der;
};

test("a request names its identity, has no subject, and is signed by its key", async () => {
  const r = parseSigningRequest(pem);
  if (!r.ok) throw r.error;
  expect(r.value).toMatchObject({ hasSubject: false, sans: [{ t: "uri", value: "spiffe://td/ns/a/sa/b" }] });
  expect(r.value.publicKey).toEqual(signer.publicKey);
  expect((await verifySigningRequest(r.value, createVerifier(crypto))).ok).toBe(true);
});

test("a request with the key of another is refused", async () => {
  const r = parseSigningRequest(pem);
  if (!r.ok) throw r.error;
  const { publicKey } = await makeSigner();
  const verdict = await verifySigningRequest({ ...r.value, publicKey }, createVerifier(crypto));
  expect(verdict.ok ? "accepted" : verdict.error.code).toBe("BAD_INPUT");
});

describe("refuses", () => {
  for (const [name, text] of [
    ["the empty text", () => ""],
    ["a certificate in its place", () => encodePem("CERTIFICATE", derOf(pem))],
    ["two requests", () => pem + pem],
    ["a request that is cut off", () => encodePem("CERTIFICATE REQUEST", derOf(pem).slice(0, -1))],
    ["a request with bytes behind it", () => encodePem("CERTIFICATE REQUEST", Uint8Array.of(...derOf(pem), 0))],
    ["junk", () => encodePem("CERTIFICATE REQUEST", Uint8Array.of(1, 2, 3))],
  ] as const)
    test(name, () => {
      const r = parseSigningRequest(text());
      expect(r.ok ? "accepted" : r.error.code).toBe("BAD_INPUT");
    });

  test("a key that is too small", async () => {
    const rsa = {
      name: "RSASSA-PKCS1-v1_5",
      modulusLength: 1024,
      publicExponent: Uint8Array.of(1, 0, 1),
      hash: "SHA-256",
    };
    const keys = await crypto.subtle.generateKey(rsa, true, ["sign", "verify"]);
    const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey));
    const weak = await createSigningRequest({ ...signer, publicKey }, []);
    const r = parseSigningRequest(weak);
    expect(r.ok ? "accepted" : r.error.message).toContain("neither RSA of 2048");
  });
});

test("any request with bytes changed is refused, or is not of its key any more, or reads the same", async () => {
  const good = derOf(pem);
  const verify = createVerifier(crypto);
  const tbsEnd = new DerReader(good).enter(Tag.Sequence).element().length + 4;
  await fc.assert(
    fc.asyncProperty(fc.nat(tbsEnd - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
      const damaged = good.slice();
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      const r = parseSigningRequest(encodePem("CERTIFICATE REQUEST", damaged));
      expect(r.ok && (await verifySigningRequest(r.value, verify)).ok).toBe(false);
    }),
    { numRuns: 300 },
  );
});
