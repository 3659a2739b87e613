import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareHosts, hostCovers, hostsForNamespace, hostsOverlap, intersectHosts } from "./index.ts";

const host = fc.constantFrom("*", "a.com", "b.com", "x.a.com", "*.com", "*.a.com", "*a.com", "y.x.a.com", "com", "");

describe("covering", () => {
  test.each([
    ["*.a.com", "x.a.com", true],
    ["*.a.com", "y.x.a.com", true],
    ["*.a.com", "a.com", false],
    ["*.a.com", "*.x.a.com", true],
    ["*.x.a.com", "*.a.com", false],
    ["a.com", "*.a.com", false],
    ["*", "*", true],
    ["A.com", "a.com", false],
  ])("%s covers %s: %s", (wide, narrow, expected) => expect(hostCovers(wide, narrow)).toBe(expected));

  test("is reflexive and transitive, and what covers overlaps", () =>
    fc.assert(
      fc.property(host, host, host, (a, b, c) => {
        expect(hostCovers(a, a)).toBe(true);
        if (hostCovers(a, b) && hostCovers(b, c)) expect(hostCovers(a, c)).toBe(true);
        if (hostCovers(a, b)) expect(hostsOverlap(a, b)).toBe(true);
        expect(hostsOverlap(a, b)).toBe(hostsOverlap(b, a));
      }),
    ));
});

describe("order", () => {
  test("is total, and no pattern comes before what it covers", () =>
    fc.assert(
      fc.property(host, host, (a, b) => {
        expect(Math.sign(compareHosts(a, b))).toBe(-Math.sign(compareHosts(b, a)) || 0);
        expect(compareHosts(a, b) === 0).toBe(a === b);
        if (hostCovers(a, b) && a !== b) expect(compareHosts(b, a)).toBeLessThan(0);
      }),
    ));
});

test("an intersection holds what both let through", () =>
  fc.assert(
    fc.property(fc.array(host), fc.array(host), host, (a, b, name) => {
      if (name.startsWith("*")) return;
      const within = (list: readonly string[]): boolean => list.some((x) => hostCovers(x, name));
      expect(within(intersectHosts(a, b))).toBe(within(a) && within(b));
    }),
  ));

test("entries with a namespace are for that one", () => {
  expect(hostsForNamespace(["a.com", "x/b.com", "*/c.com", "y/d.com"], "x")).toEqual(["a.com", "b.com", "c.com"]);
});
