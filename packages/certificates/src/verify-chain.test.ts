import { beforeAll, describe, expect, test } from "vitest";
import type { Certificate } from "./certificate.ts";
import { Oid } from "./oids.ts";
import { createVerifier } from "./signature.ts";
import { HOUR_MS, NOW_MS, type TestIssuer, crypto, makeIntermediate, makeLeaf, makeRoot } from "./suite.ts";
import { type ChainOptions, ChainProblem, verifyChain, verifyChainNow } from "./verify-chain.ts";

let root: TestIssuer;
let mid: TestIssuer;
let leaf: Certificate;
beforeAll(async () => {
  root = await makeRoot();
  mid = await makeIntermediate(root);
  leaf = await makeLeaf(mid);
});
const verify = createVerifier(crypto);
const judge = async (o: Partial<ChainOptions>): Promise<string> => {
  const base = {
    chain: [leaf, mid.certificate],
    roots: [root.certificate],
    nowMs: NOW_MS,
    purpose: "any",
    verify,
  } as const;
  const r = await verifyChain({ ...base, ...o });
  return r.ok ? `${r.value.length} certificates` : r.error.message;
};

describe("without promises", () => {
  test("the same search, with answers at once", async () => {
    for (const change of [
      {},
      { chain: [leaf] },
      { nowMs: NOW_MS + 2 * HOUR_MS },
      { roots: [] },
    ] as Partial<ChainOptions>[]) {
      const question = {
        chain: [leaf, mid.certificate],
        roots: [root.certificate],
        nowMs: NOW_MS,
        purpose: "any",
        ...change,
      } as const;
      const answers: boolean[] = [];
      const later = await verifyChain({
        ...question,
        verify: async (s) => (answers.push(await verify(s)), answers.at(-1)!),
      });
      const now = verifyChainNow({ ...question, verify: () => answers.shift()! });
      expect(answers).toEqual([]);
      expect(now).toEqual(later);
    }
  });

  test("a signature that does not verify", () => {
    const question = {
      chain: [leaf, mid.certificate],
      roots: [root.certificate],
      nowMs: NOW_MS,
      purpose: "any",
    } as const;
    const r = verifyChainNow({ ...question, verify: () => false });
    expect(r.ok ? "accepted" : r.error.facts["problem"]).toBe(ChainProblem.UnknownAuthority);
  });
});

describe("accepts", () => {
  test("a leaf under an intermediate", async () => expect(await judge({})).toBe("3 certificates"));
  test("intermediates in any order, with others among them", async () => {
    const other = await makeIntermediate(await makeRoot("other"));
    expect(await judge({ chain: [leaf, other.certificate, root.certificate, mid.certificate] })).toBe("3 certificates");
  });
  test("any of several roots", async () => {
    const other = await makeRoot();
    expect(await judge({ roots: [other.certificate, root.certificate] })).toBe("3 certificates");
  });
  for (const purpose of ["serverAuth", "clientAuth"] as const)
    test(`a leaf for ${purpose}`, async () => expect(await judge({ purpose })).toBe("3 certificates"));
});

describe("refuses", () => {
  test("an empty chain", async () => expect(await judge({ chain: [] })).toContain("the chain is empty"));
  test("no roots", async () => expect(await judge({ roots: [] })).toContain("unknown authority"));
  test("a missing intermediate", async () => expect(await judge({ chain: [leaf] })).toContain("unknown authority"));
  test("a root of the same name with another key", async () =>
    expect(await judge({ roots: [(await makeRoot()).certificate] })).toContain("unknown authority"));
  test("a date before", async () => expect(await judge({ nowMs: NOW_MS - HOUR_MS })).toContain("not valid yet"));
  test("a date after", async () => expect(await judge({ nowMs: NOW_MS + 2 * HOUR_MS })).toContain("has expired"));
  test("a leaf with a short RSA key", async () => {
    const rsa = {
      name: "RSASSA-PKCS1-v1_5",
      modulusLength: 1024,
      publicExponent: Uint8Array.of(1, 0, 1),
      hash: "SHA-256",
    };
    const keys = await crypto.subtle.generateKey(rsa, true, ["sign", "verify"]);
    const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey));
    const weak = await makeLeaf(root, { publicKey });
    expect(await judge({ chain: [weak] })).toContain("has a key of 1024 bits, at least 2048 are needed");
  });
  test("more than sixteen certificates", async () =>
    expect(await judge({ chain: Array.from({ length: 17 }, () => leaf) })).toContain("more than 16"));

  test("a purpose that the leaf does not have", async () => {
    const only = await makeLeaf(root, { extKeyUsages: [Oid.ServerAuth] });
    expect(await judge({ chain: [only], purpose: "clientAuth" })).toContain("is not for the purpose clientAuth");
  });
  test("a leaf that signs", async () => {
    const signer = root.signer;
    const child = await makeLeaf({ certificate: await makeLeaf(root, { publicKey: signer.publicKey }), signer });
    const parent = await makeLeaf(root, { publicKey: signer.publicKey });
    expect(await judge({ chain: [child, parent], roots: [root.certificate] })).not.toContain("certificates");
  });
  test("an authority without keyCertSign", async () => {
    const weak = await makeLeaf(root, {
      publicKey: mid.signer.publicKey,
      subject: { organization: "mid", commonName: "intermediate" },
      authority: { pathLength: null },
      sans: [],
    });
    expect(await judge({ chain: [leaf, weak] })).toContain("lacks keyCertSign");
  });
  test("one intermediate too many", async () => {
    const second = await makeIntermediate(mid);
    const deep = await makeLeaf(second);
    expect(await judge({ chain: [deep, second.certificate, mid.certificate] })).toContain(
      "allows 0 intermediates, 1 follow",
    );
  });
  test("a signature that was changed", async () => {
    const signature = leaf.signature.slice();
    signature[signature.length - 1] = (signature[signature.length - 1] ?? 0) ^ 1;
    expect(await judge({ chain: [{ ...leaf, signature }, mid.certificate] })).toContain("unknown authority");
  });
  test("a critical extension that nobody understands", async () =>
    expect(await judge({ chain: [{ ...leaf, unhandledCritical: ["1.2.3"] }, mid.certificate] })).toContain(
      "not understood: 1.2.3",
    ));
});

test("a hostile chain costs a bounded number of signatures", async () => {
  let signatures = 0;
  const as = (n: number): Certificate => Object.assign({}, root.certificate, { der: Uint8Array.of(n) });
  const copies = Array.from({ length: 15 }, (_, i) => as(i));
  const why = await judge({
    chain: [as(99), ...copies],
    roots: [],
    verify: () => {
      signatures += 1;
      return Promise.resolve(true);
    },
  });
  expect(why).toContain("Cannot verify");
  expect(signatures).toBe(64);
});
