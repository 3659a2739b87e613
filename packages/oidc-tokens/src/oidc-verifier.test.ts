import { Code } from "@lateen/errors";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createOidcVerifier } from "./oidc-verifier.ts";
import { type TestIssuer, startTestIssuer } from "./suite.ts";
import { parseTokenRule } from "./token-rule.ts";

const NOW_MS = Date.UTC(2026, 5, 1);
const nowMs = (): number => NOW_MS;
const SEC = NOW_MS / 1_000;

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer[Symbol.asyncDispose]());

const good = (): Record<string, unknown> => ({
  iss: issuer.url,
  aud: ["other", "mesh"],
  sub: "system:serviceaccount:shop:web",
  exp: SEC + 60,
});
const verifier = (change = {}): ReturnType<typeof createOidcVerifier> =>
  createOidcVerifier({ issuer: issuer.url, jwksUri: `${issuer.url}/keys`, audiences: ["mesh"], ...change }, { nowMs });

describe("a token of the issuer", () => {
  test("speaks for its service account", async () => {
    const r = await verifier()(await issuer.sign(good()));
    expect(r.ok ? r.value : r.error.message).toEqual({ namespace: "shop", serviceAccount: "web" });
  });
  test("is verified with keys that are found by discovery, and fetched once", async () => {
    const verify = verifier({ jwksUri: "" });
    const before = issuer.asked();
    for (let i = 0; i < 3; i++) expect((await verify(await issuer.sign(good()))).ok).toBe(true);
    expect(issuer.asked() - before).toBe(1);
  });
  for (const [name, change, why] of [
    ["has expired", { exp: SEC - 60 }, "exp"],
    ["never expires", { exp: undefined }, "exp"],
    ["is not valid yet", { nbf: SEC + 60 }, "nbf"],
    ["is for another audience", { aud: ["other"] }, "aud"],
    ["is for nobody", { aud: undefined }, "aud"],
    ["is of another issuer", { iss: "https://elsewhere" }, "iss"],
    ["names a user", { sub: "jane" }, "not a service account"],
    ["names an account without a namespace", { sub: "system:serviceaccount::web" }, "not a service account"],
    ["names more than an account", { sub: "system:serviceaccount:a:b:c" }, "not a service account"],
  ] as const)
    test(`is refused when it ${name}`, async () => {
      const r = await verifier()(await issuer.sign({ ...good(), ...change } as Record<string, unknown>));
      expect(r.ok ? "accepted" : [r.error.code, r.error.message.includes(why)]).toEqual([Code.Denied, true]);
    });
});

describe("what is no token of the issuer", () => {
  const none = Buffer.from('{"alg":"none"}').toString("base64url");
  for (const [name, token] of [
    ["words", () => "words"],
    ["an unsigned token", () => `${none}.${Buffer.from(JSON.stringify(good())).toString("base64url")}.`],
    ["a token signed by a stranger", () => issuer.sign(good(), "stranger")],
    ["a megabyte", () => "a".repeat(1 << 20)],
  ] as const)
    test(`${name} is refused`, async () => {
      const r = await verifier()(await token());
      expect(r.ok ? "accepted" : r.error.code).toBe(Code.Denied);
    });
});

describe("an issuer that cannot be asked", () => {
  for (const [name, status, body] of [
    ["fails", 500, ""],
    ["answers no keys", 200, "{}"],
    ["answers without end", 200, " ".repeat(1 << 20)],
  ] as const)
    test(`that ${name} is no refusal, and is asked again`, async () => {
      const verify = verifier({ jwksUri: "" });
      const token = await issuer.sign(good());
      issuer.answer(status, body);
      const r = await verify(token);
      issuer.answer(null);
      expect(r.ok ? "accepted" : r.error.code).toBe(Code.Unavailable);
      expect((await verify(token)).ok).toBe(true);
    });
});

describe("a rule", () => {
  test("is read as Istio writes it", () => {
    const r = parseTokenRule('{"issuer":"https://i","jwks_uri":"https://i/keys","audiences":["a"]}');
    expect(r.ok ? r.value : r.error).toEqual({ issuer: "https://i", jwksUri: "https://i/keys", audiences: ["a"] });
  });
  for (const [text, why] of [
    ["words", "not JSON"],
    ["{}", "issuer"],
    ['{"issuer":"https://i","audiences":[]}', "audiences"],
    ['{"issuer":"i","audiences":["a"]}', "jwks_uri"],
    ['{"issuer":"i","jwks_uri":"file:///etc/passwd","audiences":["a"]}', "jwks_uri"],
  ] as const)
    test(`${text} is refused with the reason`, () => {
      const r = parseTokenRule(text);
      expect(r.ok ? "accepted" : r.error.message).toContain(why);
    });
});
