import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { type Certificate, parseCertificate, parseCertificates, serialDecimal, uriNames } from "./certificate.ts";
import { DerReader, Tag, constructed, primitive } from "./der-reader.ts";
import * as der from "./der-writer.ts";
import { Oid } from "./oids.ts";
import { encodePem } from "./pem.ts";
import { HOUR_MS, NOW_MS, type TestIssuer, makeLeaf, makeRoot } from "./suite.ts";

let root: TestIssuer;
let leaf: Certificate;
beforeAll(async () => {
  root = await makeRoot();
  leaf = await makeLeaf(root);
});

test("a leaf reads back what was asked for", () => {
  expect(leaf).toMatchObject({
    isCa: false,
    pathLength: null,
    notBeforeMs: NOW_MS - 60_000,
    notAfterMs: NOW_MS + HOUR_MS,
    keyUsages: ["digitalSignature", "keyEncipherment"],
    extKeyUsages: [Oid.ServerAuth, Oid.ClientAuth],
    unhandledCritical: [],
    signatureAlgorithm: Oid.EcdsaSha256,
  });
  expect(uriNames(leaf)).toEqual(["spiffe://cluster.local/ns/a/sa/b"]);
  expect(leaf.authorityKeyId).toBe(root.certificate.subjectKeyId);
  expect(leaf.serialHex).toMatch(/^[4-7][0-9a-f]{31}$/);
  expect(serialDecimal(leaf)).toBe(BigInt(`0x${leaf.serialHex}`).toString());
});

test("every name form is read, in order", async () => {
  const all = await makeLeaf(root, {
    sans: [
      { t: "dns", value: "a.example" },
      { t: "uri", value: "spiffe://cluster.local/x" },
      { t: "ip", value: "10.0.0.1" },
      { t: "ip", value: "fd00::1" },
    ],
  });
  expect(all.sans).toEqual([
    { t: "dns", value: "a.example" },
    { t: "uri", value: "spiffe://cluster.local/x" },
    { t: "ip", value: "10.0.0.1" },
    { t: "ip", value: "fd00::1" },
  ]);
});

/** The leaf with another list of alternative names; its signature no longer fits, which parsing does not judge. */
function withNames(...names: readonly Uint8Array[]): Uint8Array {
  return rebuilt((id, value) => (id === Oid.SubjectAltName ? der.sequence(...names) : value));
}

function rebuilt(change: (id: string, value: Uint8Array) => Uint8Array, ...more: readonly Uint8Array[]): Uint8Array {
  const outer = new DerReader(leaf.der).enter(Tag.Sequence);
  const tbs = outer.enter(Tag.Sequence);
  const parts: Uint8Array[] = [];
  while (tbs.peek() !== constructed(3)) parts.push(tbs.element());
  const list = tbs.enter(constructed(3)).enter(Tag.Sequence);
  const extensions: Uint8Array[] = [];
  while (!list.atEnd) {
    const e = list.enter(Tag.Sequence);
    const id = e.oid();
    const critical = e.peek() === Tag.Boolean && e.boolean();
    const value = change(id, e.content(Tag.OctetString));
    extensions.push(der.sequence(der.oid(id), ...(critical ? [der.boolean(true)] : []), der.octetString(value)));
  }
  const body = der.sequence(...parts, der.explicit(3, der.sequence(...extensions, ...more)));
  return der.sequence(body, outer.element(), outer.element());
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const uri = (text: string): Uint8Array => der.element(primitive(6), ascii(text));
const dns = (text: string): Uint8Array => der.element(primitive(2), ascii(text));

describe("alternative names", () => {
  test("an otherName that looks like a URI is not one", () => {
    const value = der.sequence(der.oid("1.2.3"), der.explicit(0, der.utf8String("spiffe://cluster.local/ns/a/sa/b")));
    const other = der.element(constructed(0), new DerReader(value).content(Tag.Sequence));
    const r = parseCertificate(withNames(other, uri("spiffe://x/y")));
    expect(r.ok && r.value.sans).toEqual([
      { t: "other", tag: 0xa0 },
      { t: "uri", value: "spiffe://x/y" },
    ]);
  });

  for (const [name, list, why] of [
    ["a URI with a NUL", [uri("spiffe://cluster.local/ns/a/sa/b\u0000.evil")], "holds the byte 0x0"],
    ["a DNS name with a NUL beside a good URI", [dns("a\u0000b"), uri("spiffe://x/y")], "holds the byte 0x0"],
    ["a URI with a line break", [uri("spiffe://x/y\n")], "holds the byte 0xa"],
    ["a URI that is not ASCII", [uri("spiffe://x/ä")], "holds the byte 0xc3"],
    ["a URI of more than 4096 bytes", [uri(`spiffe://x/${"a".repeat(4096)}`)], "longer than 4096"],
    ["an address of five bytes", [der.element(primitive(7), new Uint8Array(5))], "neither 4 nor 16"],
    ["an unknown form", [der.element(primitive(9), ascii("x"))], "unknown form"],
    ["more than 256 names", Array.from({ length: 257 }, () => uri("a:b")), "more than 256"],
  ] as const)
    test(`${name} makes the certificate unusable`, () => {
      const r = parseCertificate(withNames(...list));
      expect(r.ok ? "accepted" : r.error.message).toContain(why);
    });
});

describe("extensions", () => {
  const extra = (id: string, critical: boolean): Uint8Array =>
    der.sequence(der.oid(id), ...(critical ? [der.boolean(true)] : []), der.octetString(der.sequence()));
  test("a critical one that is not understood is reported", () => {
    const r = parseCertificate(rebuilt((_, v) => v, extra("2.5.29.30", true), extra("1.2.3.4", false)));
    expect(r.ok && r.value.unhandledCritical).toEqual(["2.5.29.30"]);
  });
  test("one that stands twice is refused", () => {
    const r = parseCertificate(rebuilt((_, v) => v, extra("1.2.3.4", false), extra("1.2.3.4", false)));
    expect(r.ok ? "accepted" : r.error.message).toContain("stands twice");
  });
  test("a known one that is malformed is refused", () => {
    const r = parseCertificate(rebuilt((id, v) => (id === Oid.KeyUsage ? Uint8Array.of(1, 2, 3) : v)));
    expect(r.ok ? "accepted" : r.error.code).toBe("BAD_INPUT");
  });
  test("bytes after a known one are refused", () => {
    const r = parseCertificate(rebuilt((id, v) => (id === Oid.KeyUsage ? Uint8Array.of(...v, 5, 0) : v)));
    expect(r.ok ? "accepted" : r.error.message).toContain("bytes follow the extension");
  });
});

describe("parseCertificates", () => {
  test("passes over keys and keeps the order", () => {
    const pem =
      encodePem("PRIVATE KEY", Uint8Array.of(1)) +
      encodePem("CERTIFICATE", leaf.der) +
      encodePem("CERTIFICATE", root.certificate.der);
    const r = parseCertificates(pem);
    expect(r.ok && r.value.map((c) => c.serialHex)).toEqual([leaf.serialHex, root.certificate.serialHex]);
  });
  test("a text without PEM is an error, a text with only a key is an empty list", () => {
    expect(parseCertificates("words").ok).toBe(false);
    expect(parseCertificates(encodePem("PRIVATE KEY", Uint8Array.of(1)))).toEqual({ ok: true, value: [] });
  });
  test("one malformed certificate makes the whole an error", () => {
    const pem = encodePem("CERTIFICATE", leaf.der) + encodePem("CERTIFICATE", Uint8Array.of(0x30, 0));
    expect(parseCertificates(pem).ok).toBe(false);
  });
});

test("more than 64 KiB are not looked at", () => {
  const r = parseCertificate(new Uint8Array(64 * 1024 + 1));
  expect(r.ok ? "accepted" : r.error.message).toContain("at most 65536");
});

test("any bytes, and any certificate with bytes changed, parse or are refused", () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(bytes, damage, fc.nat(), (junk, changes, cut) => {
      expect(typeof parseCertificate(junk).ok).toBe("boolean");
      const damaged = leaf.der.slice(0, leaf.der.length - (cut % 3 === 0 ? cut % 50 : 0));
      for (const [at, value] of changes) damaged[at % damaged.length] = value;
      const r = parseCertificate(damaged);
      expect(r.ok || r.error.code === "BAD_INPUT").toBe(true);
    }),
    { numRuns: 2_000 },
  );
});
