import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type TokenSubject,
  type VerifyTokenOptions,
  generateTokenKey,
  signLocalToken,
  verifyLocalToken,
} from "./local-token.ts";

const NOW = Date.UTC(2026, 0, 1);
const key = generateTokenKey();
const SUBJECT: TokenSubject = {
  namespace: "istio-system",
  serviceAccount: "ztunnel",
  pod: { name: "ztunnel-a", uid: "u1" },
  node: "node-a",
};
const SIGN = { privateKeyPem: key.privateKeyPem, issuer: "lateen", audiences: ["istio-ca"], nowMs: NOW, ttlSec: 600 };
const VERIFY: VerifyTokenOptions = { publicKeyPem: key.publicKeyPem, audience: "istio-ca", nowMs: NOW + 1_000 };
const verdict = (token: string, change: Partial<VerifyTokenOptions> = {}): string => {
  const r = verifyLocalToken(token, { ...VERIFY, ...change });
  return r.ok ? "accepted" : `${r.error.code} ${r.error.message}`;
};
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

test("a token says whom it speaks for", () => {
  expect(verifyLocalToken(signLocalToken(SUBJECT, SIGN), { ...VERIFY, issuer: "lateen" })).toEqual({
    ok: true,
    value: SUBJECT,
  });
  const unbound = { ...SUBJECT, pod: null, node: null };
  expect(verifyLocalToken(signLocalToken(unbound, SIGN), VERIFY)).toEqual({ ok: true, value: unbound });
});

describe("refuses", () => {
  const good = signLocalToken(SUBJECT, SIGN);
  const [head = "", body = "", signature = ""] = good.split(".");
  for (const [name, token, change, why] of [
    ["a token that has expired", good, { nowMs: NOW + 611_000 }, "it has expired"],
    ["a token that is not valid yet", good, { nowMs: NOW - 11_000 }, "it is not valid yet"],
    ["another audience", good, { audience: "other" }, "not for audience other"],
    ["another issuer", good, { issuer: "other" }, "not of issuer other"],
    ["another key", good, { publicKeyPem: generateTokenKey().publicKeyPem }, "not of the key of this mesh"],
    [
      "a changed claim",
      `${head}.${part({ sub: "system:serviceaccount:a:b" })}.${signature}`,
      {},
      "not of the key of this mesh",
    ],
    ["no signature", `${head}.${body}.`, {}, "not of the key of this mesh"],
    ["the algorithm none", `${part({ alg: "none" })}.${body}.`, {}, "not an ES256 token"],
    [
      "the public key as the secret of an HMAC",
      ((h) => `${h}.${body}.${createHmac("sha256", key.publicKeyPem).update(`${h}.${body}`).digest("base64url")}`)(
        part({ alg: "HS256" }),
      ),
      {},
      "not an ES256 token",
    ],
    ["four parts", `${good}.x`, {}, "not an ES256 token"],
    ["words", "words", {}, "not an ES256 token"],
    ["more than 16 KiB", `${good}${"x".repeat(16_384)}`, {}, "longer than"],
  ] as const)
    test(name, () => expect(verdict(token, change)).toMatch(new RegExp(`^DENIED .*${why}`)));

  test("names that could be read in two ways", () => {
    const odd = signLocalToken({ ...SUBJECT, namespace: "a:b" }, SIGN);
    expect(verdict(odd)).toContain("is not a service account");
  });
  test("a key that is not P-256", () =>
    expect(() => verifyLocalToken(good, { ...VERIFY, publicKeyPem: "words" })).toThrow(/Cannot read token key/));
});

test("any text is refused without a throw", () =>
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc
          .tuple(fc.json(), fc.json(), fc.base64String())
          .map(([a, b, c]) => `${part(JSON.parse(a))}.${part(JSON.parse(b))}.${c}`),
      ),
      (token) => {
        expect(verdict(token)).toMatch(/^DENIED /);
      },
    ),
  ));
