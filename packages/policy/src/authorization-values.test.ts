import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  checkCondition,
  checkServiceAccountValues,
  checkTrustDomainValues,
  checkWildcardValues,
  valueMatches,
} from "./authorization-values.ts";

describe("checkWildcardValues", () => {
  for (const value of ["a", "a*", "*a", "*"])
    test(`takes ${value}`, () => expect(checkWildcardValues("hosts", [value])).toBe(null));
  for (const value of ["", "a*b", "*a*", "**", "a*b*"])
    test(`refuses ${JSON.stringify(value)}`, () =>
      expect(checkWildcardValues("hosts", ["ok", value])).toMatch(/^hosts: /));
});

test("a trust domain holds no slash", () => {
  expect(checkTrustDomainValues("trustDomains", ["td", "td*", "*td"])).toBe(null);
  expect(checkTrustDomainValues("trustDomains", ["td/ns"])).toContain('has a "/"');
  expect(checkTrustDomainValues("trustDomains", ["t*d"])).toContain("neither first nor last");
});

describe("checkServiceAccountValues", () => {
  for (const [name, values, why] of [
    ["an account", ["sa"], null],
    ["an account with its namespace", ["ns/sa"], null],
    ["sixteen", Array.from({ length: 16 }, (_, i) => `sa${i}`), null],
    ["seventeen", Array.from({ length: 17 }, (_, i) => `sa${i}`), "more than 16"],
    ["a star", ["ns/*"], 'has a "*"'],
    ["no namespace before the slash", ["/sa"], "is not account or"],
    ["no account after the slash", ["ns/"], "is not account or"],
    ["three parts", ["a/b/c"], "is not account or"],
    ["the empty text", [""], "is not account or"],
    ["321 characters", ["a".repeat(321)], "longer than 320"],
  ] as const)
    test(name, () => {
      const got = checkServiceAccountValues("serviceAccounts", values);
      if (why === null) expect(got).toBe(null);
      else expect(got).toContain(why);
    });
});

describe("checkCondition", () => {
  for (const [key, values, good] of [
    ["source.ip", ["10.0.0.1", "10.0.0.0/8", "fd00::/8"], true],
    ["source.ip", ["10.0.0.0/33"], false],
    ["source.ip", ["x"], false],
    ["destination.port", ["0", "65535"], true],
    ["destination.port", ["65536"], false],
    ["destination.port", ["-1"], false],
    ["destination.port", [" 80"], false],
    ["source.namespace", [""], false],
    ["source.serviceAccount", ["ns/sa"], true],
    ["source.trustDomain", ["a/b"], false],
    ["request.headers[x-y]", ["z"], true],
    ["request.headers[]", ["z"], false],
    ["request.headers", ["z"], false],
    ["destination.labels[a]", ["z"], false],
    ["destination.namespace", ["z"], false],
    ["constructor", ["z"], false],
    ["unknown", ["z"], false],
  ] as const)
    test(`${key} ${JSON.stringify(values)} is ${good ? "legal" : "refused"}`, () =>
      expect(checkCondition(key, values) === null).toBe(good));

  test("says something or nothing about any condition", () =>
    fc.assert(
      fc.property(fc.string(), fc.array(fc.string()), (key, values) => {
        expect(checkCondition(key, values)).not.toBe("");
      }),
    ));
});

describe("valueMatches", () => {
  for (const [pattern, value, prefix, want] of [
    ["*", "x", "", true],
    ["*", "", "", false],
    ["a*", "abc", "", true],
    ["a*", "ba", "", false],
    ["*c", "abc", "", true],
    ["abc", "abc", "", true],
    ["a.c", "abc", "", false],
    ["*rule[0]", "p/some-rule0", "p/", false],
    ["*rule[0]", "p/some-rule[0]", "p/", true],
    ["*ab", "ab", "ab", false],
    ["a*", "p/abc", "p/", true],
    ["abc", "p/abc", "p/", true],
    ["abc", "abc", "p/", false],
  ] as const)
    test(`${pattern} ${want ? "matches" : "does not match"} ${JSON.stringify(value)} after ${JSON.stringify(prefix)}`, () =>
      expect(valueMatches(pattern, value, prefix)).toBe(want));

  test("no character but the star means anything", () =>
    fc.assert(
      fc.property(
        fc.string().filter((s) => !s.includes("*")),
        fc.string(),
        (pattern, value) => {
          expect(valueMatches(pattern, value)).toBe(pattern === value);
        },
      ),
    ));
});
