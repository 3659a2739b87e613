import forge from "node-forge";
import { beforeAll, describe, expect, test } from "vitest";
import type { Certificate } from "./certificate.ts";
import { decodePem } from "./pem.ts";
import { createSigningRequest } from "./signing-request.ts";
import { makeIntermediate, makeLeaf, makeRoot, makeSigner } from "./suite.ts";

// node-forge reads DER by code that shares nothing with ours: what we write must be well-formed to it, down to the last byte.
type Asn1 = forge.asn1.Asn1;
const SAN_OID = "2.5.29.17";
const URI = "spiffe://cluster.local/ns/a/sa/b";

const bytesOf = (der: Uint8Array): forge.util.ByteStringBuffer => forge.util.createBuffer(String.fromCharCode(...der));
const read = (der: Uint8Array): Asn1 => forge.asn1.fromDer(bytesOf(der), true);
const children = (node: Asn1): Asn1[] => (Array.isArray(node.value) ? node.value : []);

/** Every object identifier below, in order. */
function oids(node: Asn1): string[] {
  const universal = forge.asn1.Class.UNIVERSAL;
  if (node.tagClass === universal && node.type === forge.asn1.Type.OID)
    return [forge.asn1.derToOid(forge.util.createBuffer(node.value as string))];
  return children(node).flatMap(oids);
}

/** The first URI ([6]) in the value of the subject alternative name. */
function firstUri(node: Asn1): string | null {
  const own = children(node);
  if (own[0]?.type === forge.asn1.Type.OID && oids(own[0])[0] === SAN_OID) {
    const names = forge.asn1.fromDer(own.at(-1)?.value as string);
    const uri = children(names).find((name) => Number(name.type) === 6);
    return uri === undefined ? null : (uri.value as string);
  }
  return own.map(firstUri).find((found) => found !== null) ?? null;
}

describe("node-forge reads what we write", () => {
  let root: Certificate;
  let intermediate: Certificate;
  let leaf: Certificate;
  let request: Uint8Array;
  beforeAll(async () => {
    const issuer = await makeRoot();
    const middle = await makeIntermediate(issuer);
    [root, intermediate] = [issuer.certificate, middle.certificate];
    leaf = await makeLeaf(middle);
    const pem = decodePem(await createSigningRequest(await makeSigner(), [{ t: "uri", value: URI }]));
    if (!pem.ok) throw pem.error;
    request = pem.value[0]!.der;
  });

  test.each([
    ["root", () => root.der],
    ["intermediate", () => intermediate.der],
    ["leaf", () => leaf.der],
    ["signing request", () => request],
  ])("a %s is DER in its only form", (_, der) => {
    expect(forge.asn1.toDer(read(der())).toHex()).toBe(bytesOf(der()).toHex());
  });

  test.each([
    ["leaf", () => leaf.der],
    ["signing request", () => request],
  ])("a %s carries its identity as a URI", (_, der) => {
    expect(firstUri(read(der()))).toBe(URI);
  });

  test("keys and signatures are P-256 with SHA-256", () => {
    expect(oids(read(leaf.der))).toEqual(
      expect.arrayContaining(["1.2.840.10045.2.1", "1.2.840.10045.3.1.7", "1.2.840.10045.4.3.2"]),
    );
  });
});
