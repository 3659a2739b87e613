import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatSpiffeId, parseSpiffeId, parseTrustDomain } from "./spiffe-id.ts";

describe("parseSpiffeId", () => {
  for (const [text, trustDomain, path] of [
    ["spiffe://td", "td", ""],
    ["spiffe://td/a", "td", "/a"],
    ["spiffe://a-b_c.9/ns/x/sa/y", "a-b_c.9", "/ns/x/sa/y"],
    ["spiffe://td/.a", "td", "/.a"],
    ["spiffe://td/...", "td", "/..."],
    ["spiffe://td/A_Z-9", "td", "/A_Z-9"],
  ] as const)
    test(`takes ${text}`, () => expect(parseSpiffeId(text)).toEqual({ ok: true, value: { trustDomain, path } }));

  for (const [text, why] of [
    ["", "it is empty"],
    ["s", "does not start with spiffe://"],
    ["Spiffe://td/a", "does not start with spiffe://"],
    ["spiffe:/td/a", "does not start with spiffe://"],
    ["spiffe://", "the trust domain is missing"],
    ["spiffe:///a", "the trust domain is missing"],
    ["spiffe://TD/a", "lower-case letters"],
    ["spiffe://td:443/a", "lower-case letters"],
    ["spiffe://user@td/a", "lower-case letters"],
    ["spiffe://td?q/a", "lower-case letters"],
    ["spiffe://td%2e/a", "lower-case letters"],
    ["spiffe://td/", "ends with a slash"],
    ["spiffe://td/a/", "ends with a slash"],
    ["spiffe://td//a", "an empty segment"],
    ["spiffe://td/a/./b", "a dot segment"],
    ["spiffe://td/a/..", "a dot segment"],
    ["spiffe://td/a%41", "the path may hold only"],
    ["spiffe://td/a?b", "the path may hold only"],
    ["spiffe://td/a#b", "the path may hold only"],
    ["spiffe://td/a\u0000", "the path may hold only"],
    ["spiffe://td/ä", "the path may hold only"],
    [`spiffe://${"a".repeat(256)}/a`, "longer than 255"],
    [`spiffe://td/${"a".repeat(2048)}`, "longer than 2048"],
  ] as const)
    test(`refuses ${JSON.stringify(text.slice(0, 40))}: ${why}`, () => {
      const r = parseSpiffeId(text);
      expect(r.ok ? "accepted" : r.error.message).toContain(why);
      expect(r.ok ? "" : r.error.code).toBe("BAD_INPUT");
    });

  test("what it takes is written back the same", () =>
    fc.assert(
      fc.property(fc.stringMatching(/^spiffe:\/\/[a-z0-9._-]{1,20}(\/[A-Za-z0-9_-]{1,10}){0,4}$/), (text) => {
        const r = parseSpiffeId(text);
        expect(r.ok && formatSpiffeId(r.value)).toBe(text);
      }),
    ));

  test("takes or refuses any text, and what it takes holds only the characters of the grammar", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.string().map((s) => `spiffe://${s}`),
        ),
        (text) => {
          const r = parseSpiffeId(text);
          if (r.ok) expect(text).toMatch(/^spiffe:\/\/[a-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/);
          else expect(r.error.message).not.toBe("");
        },
      ),
    ));
});

describe("parseTrustDomain", () => {
  for (const [text, want] of [
    ["td", "td"],
    ["a.b-c_d", "a.b-c_d"],
    ["spiffe://td", "td"],
    ["spiffe://td/a/b", "td"],
  ] as const)
    test(`reads ${want} from ${text}`, () => expect(parseTrustDomain(text)).toEqual({ ok: true, value: want }));

  for (const text of ["", "TD", "td/", "td:1", "spiffe:/td", "spiffe://", "spiffe://td/", "http://td", "t d"])
    test(`refuses ${JSON.stringify(text)}`, () => expect(parseTrustDomain(text).ok).toBe(false));
});
