import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  formatIdentity,
  identityPrincipal,
  makeIdentity,
  parseIdentity,
  parseIdentityParts,
} from "./spiffe-identity.ts";

const ID = { trustDomain: "td", namespace: "ns1", serviceAccount: "sa1" };
const URI = "spiffe://td/ns/ns1/sa/sa1";

test("an identity reads back what was written", () => {
  expect(formatIdentity(ID)).toBe(URI);
  expect(identityPrincipal(ID)).toBe("td/ns/ns1/sa/sa1");
  expect(parseIdentity(URI)).toEqual({ ok: true, value: ID });
});

describe("refuses as a workload identity", () => {
  for (const uri of [
    "",
    "td/ns/ns1/sa/sa1",
    "SPIFFE://td/ns/ns1/sa/sa1",
    "spiffe://td/ns/ns1/sa",
    "spiffe://td/ns/ns1/sa/sa1/x",
    "spiffe://td/ns/ns1/sa/sa1/",
    "spiffe://td/sa/ns1/ns/sa1",
    "spiffe:///ns/ns1/sa/sa1",
    "spiffe://td/ns//sa/sa1",
    "spiffe://td/ns/ns1/sa/",
    "sparfe://td/ns/ns1/sa/sa1",
  ])
    test(JSON.stringify(uri), () => {
      const r = parseIdentity(uri);
      expect(r.ok ? "accepted" : r.error.code).toBe("BAD_INPUT");
    });
});

test("parts may be empty where they are only compared", () =>
  expect(parseIdentityParts("spiffe://td/ns//sa/")).toEqual({
    ok: true,
    value: { trustDomain: "td", namespace: "", serviceAccount: "" },
  }));

describe("makeIdentity", () => {
  test("makes the URI of good names", () => expect(makeIdentity(ID)).toEqual({ ok: true, value: URI }));
  for (const part of ["trustDomain", "namespace", "serviceAccount"] as const)
    for (const value of ["", "a/b"])
      test(`refuses ${part} ${JSON.stringify(value)}`, () => {
        const r = makeIdentity({ ...ID, [part]: value });
        expect(r.ok ? "accepted" : r.error.message).toContain(part);
      });
  test("what it makes is read back the same", () => {
    const name = fc.string({ minLength: 1 }).filter((s) => !s.includes("/"));
    const id = fc.record({ trustDomain: name, namespace: name, serviceAccount: name });
    fc.assert(
      fc.property(id, (parts) => {
        const uri = makeIdentity(parts);
        expect(uri.ok && parseIdentity(uri.value)).toEqual({ ok: true, value: parts });
      }),
    );
  });
});
