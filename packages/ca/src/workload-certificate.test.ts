import {
  type Issuer,
  type Signer,
  createSigner,
  encodePem,
  generateKeyPair,
  issueLeaf,
  issueRoot,
} from "@lateen/certificates";
import { beforeAll, describe, expect, test } from "vitest";
import { type AnswerOptions, readAnswer } from "./workload-certificate.ts";

const crypto = globalThis.crypto;
const NOW = Date.UTC(2026, 0, 1);
const ID = "spiffe://td/ns/n/sa/s";
let issuer: Issuer;
let signer: Signer;
let leaf: string;
let root: string;
const makeSigner = async (): Promise<Signer> => createSigner(crypto, await generateKeyPair(crypto));
const makeLeaf = async (...uris: readonly string[]): Promise<string> => {
  const sans = uris.map((value) => ({ t: "uri", value }) as const);
  return pem(await issueLeaf(crypto, { issuer, publicKey: signer.publicKey, sans, nowMs: NOW, ttlSec: 60 }));
};
const pem = (c: { readonly der: Uint8Array }): string => encodePem("CERTIFICATE", c.der);
beforeAll(async () => {
  const rootSigner = await makeSigner();
  const certificate = await issueRoot(crypto, { signer: rootSigner, organization: "td", nowMs: NOW, ttlSec: 600 });
  issuer = { certificate, signer: rootSigner };
  signer = await makeSigner();
  leaf = await makeLeaf(ID);
  root = pem(certificate);
});
const read = (certChain: readonly string[], change: Partial<AnswerOptions> = {}): string => {
  const r = readAnswer({ certChain, identity: ID, keyPem: "key", publicKey: signer.publicKey, ...change });
  return r.ok
    ? `${r.value.identity}, ${r.value.chainPem.split("BEGIN").length - 1} in chain, ${r.value.rootsPem.length} roots`
    : r.error.message;
};

describe("takes", () => {
  test("leaf and root", () => expect(read([leaf, root])).toBe(`${ID}, 1 in chain, 1 roots`));
  test("intermediates one by one or in one element", () => {
    expect(read([leaf, root, root, root])).toBe(`${ID}, 3 in chain, 1 roots`);
    expect(read([leaf, root + root, root])).toBe(`${ID}, 3 in chain, 1 roots`);
  });
  test("elements without a newline at their end", () =>
    expect(read([leaf.trim(), root.trim()])).toBe(`${ID}, 1 in chain, 1 roots`));
  test("several roots, those that cannot be read left out", () =>
    expect(read([leaf, root + encodePem("CERTIFICATE", Uint8Array.of(1)) + root])).toBe(`${ID}, 1 in chain, 2 roots`));
  test("any identity when none was asked for", () => expect(read([leaf, root], { identity: null })).toContain(ID));
});

describe("refuses", () => {
  test("no root", () => expect(read([leaf])).toContain("it has 1 elements, so no root"));
  test("nothing", () => expect(read([])).toContain("it has 0 elements"));
  test("more than 32 elements", () => expect(read(Array.from({ length: 33 }, () => root))).toContain("more than 32"));
  test("a root that cannot be read", () => expect(read([leaf, "words"])).toContain("no root that can be read"));
  test("a leaf that cannot be read", () => expect(read(["words", root])).toContain("no PEM block"));
  test("another identity", () =>
    expect(read([leaf, root], { identity: "spiffe://td/ns/n/sa/x" })).toContain(`is for ${ID}, not for`));
  test("the right identity only as the second name", async () =>
    expect(read([await makeLeaf("spiffe://td/ns/n/sa/x", ID), root])).toContain("is for spiffe://td/ns/n/sa/x"));
  test("a leaf without an identity", async () =>
    expect(read([await makeLeaf(), root], { identity: null })).toContain("is for nobody"));
  test("a leaf of another key", async () =>
    expect(read([leaf, root], { publicKey: (await makeSigner()).publicKey })).toContain("of another key"));
});
