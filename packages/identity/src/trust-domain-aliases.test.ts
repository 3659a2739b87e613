import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  expandPrincipals,
  expandTrustDomains,
  principalNamesTrustDomain,
  replaceTrustDomain,
} from "./trust-domain-aliases.ts";

describe("expandPrincipals", () => {
  for (const [name, principals, own, want] of [
    [
      "a principal of an alias holds in every trust domain",
      ["b/ns/n/sa/s"],
      ["a", "b"],
      ["a/ns/n/sa/s", "b/ns/n/sa/s"],
    ],
    ["cluster.local stands for the mesh's own", ["cluster.local/ns/n/sa/s"], ["a"], ["a/ns/n/sa/s"]],
    ["a foreign trust domain stays", ["x/ns/n/sa/s"], ["a", "b"], ["x/ns/n/sa/s"]],
    ["a star for the trust domain stays", ["*/ns/n/sa/s"], ["a", "b"], ["*/ns/n/sa/s"]],
    ["a star alone stays", ["*"], ["a"], ["*"]],
    ["a prefix pattern without five parts stays", ["a/ns/n*"], ["a", "b"], ["a/ns/n*"]],
    [
      "a suffix pattern stays for the names that it covers",
      ["*-x/ns/n/sa/s"],
      ["a-x", "b"],
      ["*-x/ns/n/sa/s", "b/ns/n/sa/s"],
    ],
    ["nothing is doubled", ["*-x/ns/n/sa/s"], ["a-x", "b-x"], ["*-x/ns/n/sa/s"]],
    ["an empty trust domain is foreign", ["/ns/n/sa/s"], ["a"], ["/ns/n/sa/s"]],
  ] as const)
    test(name, () => expect(expandPrincipals(principals, own)).toEqual(want));

  test("without aliases nothing of the own trust domain changes", () =>
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{1,8}$/), fc.stringMatching(/^[a-z]{1,8}$/), (td, sa) => {
        expect(expandPrincipals([`${td}/ns/n/sa/${sa}`], [td])).toEqual([`${td}/ns/n/sa/${sa}`]);
      }),
    ));
});

describe("expandTrustDomains", () => {
  test("adds the same workload in the other trust domains, inputs first", () =>
    expect(expandTrustDomains(["spiffe://a/ns/n/sa/s", "dns.name"], ["a", "b"])).toEqual([
      "spiffe://a/ns/n/sa/s",
      "spiffe://b/ns/n/sa/s",
      "dns.name",
    ]));
  test("keeps every input whatever it is", () =>
    fc.assert(
      fc.property(fc.array(fc.string()), fc.array(fc.string()), (ids, tds) => {
        const out = new Set(expandTrustDomains(ids, tds));
        for (const id of ids) expect(out.has(id)).toBe(true);
      }),
    ));
});

test("replaceTrustDomain needs the five parts", () => {
  expect(replaceTrustDomain("x/ns/n/sa/s", "y")).toBe("y/ns/n/sa/s");
  expect(replaceTrustDomain("spiffe://x/ns/n/sa/s", "y")).toBe(null);
  expect(replaceTrustDomain("sa/s", "y")).toBe(null);
});

test("principalNamesTrustDomain", () => {
  expect(principalNamesTrustDomain("a/ns/n/sa/s")).toBe(true);
  expect(principalNamesTrustDomain("*-a/ns/n/sa/s")).toBe(true);
  expect(principalNamesTrustDomain("*/ns/n/sa/s")).toBe(false);
  expect(principalNamesTrustDomain("*")).toBe(false);
});
