import { beforeAll, describe, expect, test } from "vitest";
import type { IssueOptions } from "./issue.ts";
import { encodePem } from "./pem.ts";
import { createVerifier } from "./signature.ts";
import { NOW_MS, type TestIssuer, crypto, makeIntermediate, makeLeaf, makeRoot } from "./suite.ts";
import { parseX509Bundle, parseX509Svid, verifyX509Svid } from "./x509-svid.ts";

let root: TestIssuer;
beforeAll(async () => {
  root = await makeRoot();
});
const pem = (der: Uint8Array): string => encodePem("CERTIFICATE", der);
const ID = { trustDomain: "cluster.local", path: "/ns/a/sa/b" };
const uri = (...values: readonly string[]): Partial<IssueOptions> => ({
  sans: values.map((value) => ({ t: "uri", value })),
});

const TABLE: readonly (readonly [string, Partial<IssueOptions>, string | null])[] = [
  ["a good leaf", {}, null],
  ["no URI", { sans: [{ t: "dns", value: "a.b" }] }, "no URI name"],
  ["two URIs", uri("spiffe://cluster.local/a", "spiffe://cluster.local/b"), "more than one URI name"],
  ["a URI of another scheme", uri("sparfe://cluster.local/a"), "does not start with spiffe://"],
  ["an ID without a path", uri("spiffe://cluster.local"), "must have a path"],
  ["a CA flag", { authority: { pathLength: null } }, "is an authority"],
  ["keyCertSign", { keyUsages: ["digitalSignature", "keyCertSign"] }, "key usage keyCertSign"],
  ["cRLSign", { keyUsages: ["digitalSignature", "cRLSign"] }, "key usage cRLSign"],
];

describe("parseX509Svid", () => {
  for (const [name, change, why] of [
    ...TABLE,
    ["no digitalSignature", { keyUsages: ["keyAgreement"] }, "lacks the key usage"] as const,
  ])
    test(name, async () => {
      const r = parseX509Svid(pem((await makeLeaf(root, change)).der));
      if (why === null) expect(r.ok && r.value.id).toEqual(ID);
      else expect(r.ok ? "accepted" : r.error.message).toContain(why);
    });
  test("signers must be authorities with keyCertSign", async () => {
    const leaf = await makeLeaf(root);
    const good = await makeIntermediate(root);
    expect(parseX509Svid(pem(leaf.der) + pem(good.certificate.der)).ok).toBe(true);
    const noCa = parseX509Svid(pem(leaf.der) + pem(leaf.der));
    expect(noCa.ok ? "" : noCa.error.message).toContain("not an authority");
    const noUse = await makeLeaf(root, { authority: { pathLength: null } });
    const r = parseX509Svid(pem(leaf.der) + pem(noUse.der));
    expect(r.ok ? "" : r.error.message).toContain("lacks the key usage keyCertSign");
  });
});

describe("verifyX509Svid", () => {
  const verify = createVerifier(crypto);
  const home = (): ReadonlyMap<string, readonly (typeof root.certificate)[]> =>
    new Map([["cluster.local", [root.certificate]]]);
  for (const [name, change, why] of TABLE)
    test(name, async () => {
      const r = await verifyX509Svid({ chain: [await makeLeaf(root, change)], bundles: home(), nowMs: NOW_MS, verify });
      if (why === null) expect(r).toEqual({ ok: true, value: ID });
      else expect(r.ok ? "accepted" : r.error.message).toContain(why);
    });
  test("only the bundle of its own trust domain counts", async () => {
    const chain = [await makeLeaf(root)];
    const r = await verifyX509Svid({ chain, bundles: new Map([["other", [root.certificate]]]), nowMs: NOW_MS, verify });
    expect(r.ok ? "accepted" : r.error.message).toContain('no bundle for trust domain "cluster.local"');
  });
  test("roots of another authority under its name", async () => {
    const bundles = new Map([["cluster.local", [(await makeRoot()).certificate]]]);
    const r = await verifyX509Svid({ chain: [await makeLeaf(root)], bundles, nowMs: NOW_MS, verify });
    expect(r.ok ? "accepted" : r.error.message).toContain("unknown authority");
  });
});

test("an authority that stands twice in a bundle counts once", () => {
  const r = parseX509Bundle(pem(root.certificate.der).repeat(2));
  expect(r.ok && r.value.length).toBe(1);
});

test("an empty bundle is a bundle, words are not", () => {
  expect(parseX509Bundle("")).toEqual({ ok: true, value: [] });
  expect(parseX509Bundle("words").ok).toBe(false);
});
