import { describe, expect, test } from "vitest";
import type { AuthorizationPolicy, AuthorizationRule } from "@lateen/resources";
import { type PolicyConversion, convertAuthorizationPolicy } from "./authorization-policy.ts";
import { EMPTY_MATCH } from "./policy-values.ts";

const o: PolicyConversion = { rootNamespace: "istio-system", dryRun: false, httpOnlyDeny: "enforce" };
const policy = (spec: AuthorizationPolicy["spec"], metadata: object = {}): AuthorizationPolicy => ({
  apiVersion: "security.istio.io/v1",
  kind: "AuthorizationPolicy",
  metadata: { name: "p", namespace: "shop", ...metadata },
  spec,
});
const get: AuthorizationRule = { to: [{ operation: { methods: ["GET"] } }] };
const fromWeb: AuthorizationRule = { from: [{ source: { principals: ["*/sa/web"] } }] };

describe("an AuthorizationPolicy for node proxies", () => {
  test.each([
    ["a selector", { selector: { matchLabels: { app: "a" } }, action: "ALLOW" as const }, {}, "WorkloadSelector"],
    ["no selector", { action: "ALLOW" as const }, {}, "Namespace"],
    ["the root namespace", { action: "ALLOW" as const }, { namespace: "istio-system" }, "Global"],
  ])("with %s has its scope", (_, spec, metadata, scope) => {
    expect(convertAuthorizationPolicy(policy(spec, metadata), o).authorization?.scope).toBe(scope);
  });

  test.each([
    ["AUDIT", { action: "AUDIT" as const }, {}, "UnsupportedValue"],
    ["CUSTOM", { action: "CUSTOM" as const, provider: { name: "x" } }, {}, "UnsupportedValue"],
    ["a target", { action: "ALLOW" as const, targetRefs: [{ kind: "Service", name: "s" }] }, {}, "NotForZtunnel"],
    ["dry-run", { action: "ALLOW" as const }, { annotations: { "istio.io/dry-run": "True" } }, "UnsupportedValue"],
  ])("with %s is not sent, and says so", (_, spec, metadata, status) => {
    const effect = convertAuthorizationPolicy(policy(spec, metadata), o);
    expect([effect.authorization, effect.status]).toEqual([null, status]);
  });

  test("is sent for dry run when that is asked for", () => {
    const dry = policy({ action: "DENY" }, { annotations: { "istio.io/dry-run": "true" } });
    expect(convertAuthorizationPolicy(dry, { ...o, dryRun: true }).authorization?.dryRun).toBe(true);
  });

  test("an empty list of targets binds to nothing: the policy is in force here", () => {
    expect(convertAuthorizationPolicy(policy({ action: "DENY", targetRefs: [] }), o).authorization).not.toBeNull();
  });

  test("ALLOW leaves out rules with HTTP attributes, so that less is allowed and never more", () => {
    const effect = convertAuthorizationPolicy(policy({ action: "ALLOW", rules: [get, fromWeb] }), o);
    expect(effect.omittedRules).toEqual([0]);
    expect(effect.authorization?.rules).toHaveLength(1);
    expect(effect.message).toContain("methods");
    expect(effect.message).toContain("1 rule is omitted");
  });

  test("a restriction by trust domain, which nothing carries, never widens an ALLOW", () => {
    const rules = [{ from: [{ source: { namespaces: ["a"], trustDomains: ["x"] } }] }];
    expect(convertAuthorizationPolicy(policy({ action: "ALLOW", rules }), o).authorization?.rules).toEqual([]);
  });

  test("DENY enforces the rest of a rule without its HTTP attributes", () => {
    const rules = [{ ...get, ...fromWeb }];
    const { authorization } = convertAuthorizationPolicy(policy({ action: "DENY", rules }), o);
    expect(authorization?.rules).toEqual([
      { clauses: [{ matches: [{ ...EMPTY_MATCH, principals: [{ t: "suffix", value: "/sa/web" }] }] }] },
    ]);
  });

  test("DENY on HTTP attributes alone denies everything, or nothing when Istio's way is asked for", () => {
    const denyGet = policy({ action: "DENY", rules: [get] });
    expect(convertAuthorizationPolicy(denyGet, o).authorization?.rules).toEqual([{ clauses: [] }]);
    const asIstio = convertAuthorizationPolicy(denyGet, { ...o, httpOnlyDeny: "as-istio" });
    expect(asIstio.authorization?.rules).toEqual([{ clauses: [{ matches: [EMPTY_MATCH] }] }]);
  });
});
