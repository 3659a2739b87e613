import { beforeAll, describe, expect, test } from "vitest";
import { verifyClientIdentity, verifyServerIdentity } from "./peer-identity.ts";
import { type TestIssuer, makeLeaf, makeRoot } from "./suite.ts";

let root: TestIssuer;
beforeAll(async () => {
  root = await makeRoot();
});
const chainOf = async (...uris: readonly string[]): Promise<readonly Uint8Array[]> => {
  const leaf = await makeLeaf(root, { sans: uris.map((value) => ({ t: "uri", value })) });
  return [leaf.der, root.certificate.der];
};
const A = "spiffe://td/ns/n/sa/a";
const B = "spiffe://td/ns/n/sa/b";
const FOREIGN = "spiffe://other/ns/n/sa/a";

describe("a server judges its client", () => {
  for (const [name, uris, want] of [
    ["one identity of its trust domain", [A], "a"],
    ["the first of two", [B, A], "b"],
    ["a name that is no identity before it", ["spiffe://td/other", A], "a"],
    ["a foreign identity before it is passed over", [FOREIGN, B], "b"],
    ["a foreign identity alone", [FOREIGN], null],
    ["no identity", ["https://td/ns/n/sa/a"], null],
    ["no name", [], null],
    ["a trust domain that only starts the same", ["spiffe://td.evil/ns/n/sa/a"], null],
    ["a sixth part", [`${A}/x`], null],
  ] as const)
    test(name, async () => {
      const r = verifyClientIdentity(await chainOf(...uris), "td");
      if (want !== null)
        expect(r).toEqual({ ok: true, value: { trustDomain: "td", namespace: "n", serviceAccount: want } });
      else
        expect(r.ok ? "" : r.error.message).toMatch(
          /^identity verification error: peer did not present the expected trust domain \(td\), got /,
        );
    });
});

describe("a client judges its server", () => {
  for (const [name, uris, expected, want] of [
    ["the one that is expected", [A], [A], "a"],
    ["one of several that are", [B], [A, B], "b"],
    ["one of its names is", [FOREIGN, B], [B], "b"],
    ["a foreign identity that is expected", [FOREIGN], [FOREIGN], "a"],
    ["another one", [B], [A], null],
    ["an empty list accepts nobody", [A], [], null],
    ["another spelling of the same", ["SPIFFE://td/ns/n/sa/a"], [A], null],
    ["an expected text that is no identity", ["spiffe://td/x"], ["spiffe://td/x"], null],
  ] as const)
    test(name, async () => {
      const r = verifyServerIdentity(await chainOf(...uris), expected);
      if (want !== null) expect(r.ok && r.value.serviceAccount).toBe(want);
      else
        expect(r.ok ? "" : r.error.message).toMatch(
          /^identity verification error: peer did not present the expected SAN \(/,
        );
    });
});

test("no certificate, and one that is malformed", () => {
  const none = verifyClientIdentity([], "td");
  expect(none.ok ? "" : none.error.message).toContain("did not present a certificate");
  const bad = verifyServerIdentity([Uint8Array.of(1)], [A]);
  expect(bad.ok ? "" : `${bad.error.code} ${bad.error.message}`).toContain(
    "DENIED identity verification error: Cannot parse",
  );
});

test("what a peer wrote does not fill the log", async () => {
  const r = verifyClientIdentity(
    await chainOf(...Array.from({ length: 50 }, (_, i) => `a:${i}${"x".repeat(900)}`)),
    "td",
  );
  expect(r.ok ? 0 : r.error.message.length).toBeLessThan(1_500);
});
