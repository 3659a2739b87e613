import { type KeyObject, generateKeyPairSync, sign, webcrypto } from "node:crypto";
import { Oid, type SignedBy, createVerifier } from "@lateen/certificates";
import { describe, expect, test } from "vitest";
import { ecdsaHash, isSigned } from "./signed-claim.ts";

const message = new TextEncoder().encode("message");
const verify = createVerifier(webcrypto);

type Keys = { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
const ec = (namedCurve: string): Keys => generateKeyPairSync("ec", { namedCurve });
const rsa = (): Keys => generateKeyPairSync("rsa", { modulusLength: 2048 });

function claim({ privateKey, publicKey }: Keys, algorithm: string, hash: string): SignedBy {
  const signature = sign(hash, message, { key: privateKey, dsaEncoding: "der" });
  return { publicKey: publicKey.export({ format: "der", type: "spki" }), algorithm, message, signature };
}

describe.each([
  ["P-256", () => ec("prime256v1"), Oid.EcdsaSha256, "sha256"],
  ["P-384", () => ec("secp384r1"), Oid.EcdsaSha384, "sha384"],
  ["P-521", () => ec("secp521r1"), Oid.EcdsaSha512, "sha512"],
  ["P-256 with a longer hash", () => ec("prime256v1"), Oid.EcdsaSha512, "sha512"],
  ["RSA and SHA-256", rsa, Oid.RsaSha256, "sha256"],
  ["RSA and SHA-384", rsa, Oid.RsaSha384, "sha384"],
  ["RSA and SHA-512", rsa, Oid.RsaSha512, "sha512"],
])("%s", (_, make, algorithm, hash) => {
  test("what was signed is true, as for Web Crypto", async () => {
    const good = claim(make(), algorithm, hash);
    expect([isSigned(good), await verify(good)]).toEqual([true, true]);
  });

  test("what differs in one part is false, as for Web Crypto", async () => {
    const good = claim(make(), algorithm, hash);
    const other = claim(make(), algorithm, hash);
    const wrong: Readonly<Record<string, SignedBy>> = {
      "another key": { ...good, publicKey: other.publicKey },
      "another signature": { ...good, signature: other.signature },
      "another message": { ...good, message: message.slice(1) },
      ...Object.fromEntries(
        [Oid.EcdsaSha256, Oid.EcdsaSha384, Oid.EcdsaSha512, Oid.RsaSha256, Oid.RsaSha384, Oid.RsaSha512, "1.2.3", ""]
          .filter((a) => a !== algorithm)
          .map((a) => [`algorithm ${a}`, { ...good, algorithm: a }]),
      ),
      "no signature": { ...good, signature: new Uint8Array(0) },
      "a signature cut short": { ...good, signature: good.signature.subarray(0, -1) },
      "no key": { ...good, publicKey: new Uint8Array(0) },
      "what is no key": { ...good, publicKey: Uint8Array.of(0x30, 0) },
    };
    for (const [what, one] of Object.entries(wrong)) {
      expect([what, isSigned(one), await verify(one)]).toEqual([what, false, false]);
    }
  });
});

test.each([
  ["a curve that no certificate of a mesh has", () => claim(ec("secp256k1"), Oid.EcdsaSha256, "sha256")],
  ["a kind of key that is neither", () => ({ ...claim(rsa(), Oid.RsaSha256, "sha256"), publicKey: ed25519() })],
])("%s is a false", async (_, make) => {
  const one = make();
  expect([isSigned(one), await verify(one)]).toEqual([false, false]);
});

const ed25519 = (): Uint8Array => generateKeyPairSync("ed25519").publicKey.export({ format: "der", type: "spki" });

test("only ECDSA has a hash of ECDSA", () => {
  const hashes = [Oid.EcdsaSha256, Oid.EcdsaSha384, Oid.EcdsaSha512, Oid.RsaSha256, "1.2.3"].map(ecdsaHash);
  expect(hashes).toEqual(["sha256", "sha384", "sha512", undefined, undefined]);
});
