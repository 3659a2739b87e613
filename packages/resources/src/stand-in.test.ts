import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isStandIn, standInFor } from "./stand-in.ts";

const policy = (spec: unknown, metadata: object = {}): object => ({
  apiVersion: "security.istio.io/v1",
  kind: "AuthorizationPolicy",
  metadata: { name: "broken", namespace: "shop", ...metadata },
  spec,
});
const selector = { matchLabels: { app: "db" } };
const rules = [{ to: [{ operation: { ports: ["http"] } }] }];

describe("what stands in for a policy that cannot be read", () => {
  const cases: readonly (readonly [name: string, raw: object, action: string | null])[] = [
    ["one that was to allow allows nobody", policy({ selector, rules }), "ALLOW"],
    ["one that was to deny denies everybody", policy({ selector, action: "DENY", rules }), "DENY"],
    ["one with a misspelt field denies everybody", policy({ selector, acton: "DENY" }), "DENY"],
    ["one with an unknown action denies everybody", policy({ selector, action: "ALOW" }), "DENY"],
    ["one for a whole namespace counts for it", policy({ rules }), "ALLOW"],
    [
      "one whose dry-run cannot be read counts",
      policy({ selector, rules }, { annotations: { "istio.io/dry-run": "yes" } }),
      "ALLOW",
    ],
    ["one for a dry run restricts nobody", policy({ rules }, { annotations: { "istio.io/dry-run": "true" } }), null],
    ["one for auditing restricts nobody", policy({ action: "AUDIT", rules }), null],
    ["one for a provider restricts nobody", policy({ action: "CUSTOM", rules }), null],
    ["one for a waypoint restricts nobody here", policy({ targetRefs: [{}], rules }), null],
    ["one that selects and targets counts for what it selects", policy({ selector, targetRefs: [{}] }), "ALLOW"],
    ["a selector that cannot be read selects nobody", policy({ selector: { matchLabels: { app: 3 } } }), null],
    ["a misspelt selector selects nobody", policy({ selector: { matchLabel: {} } }), null],
    ["no spec that can be read", policy("x"), null],
    ["no name that can be one", policy({ rules }, { name: "A B" }), null],
    ["another kind", { ...policy({ rules }), kind: "RequestAuthentication" }, null],
  ];
  test.each(cases)("%s", (_, raw, action) => {
    const stand = standInFor(raw);
    if (stand?.kind !== "AuthorizationPolicy") return void expect(action).toBeNull();
    expect(stand.spec.action).toBe(action);
    expect(isStandIn(stand)).toBe(true);
    expect(stand.spec.rules).toEqual(action === "ALLOW" ? [] : [{}]);
    expect(stand.metadata).toMatchObject({ name: "broken", namespace: "shop" });
  });

  test("it selects what the policy selects, and is of its revision", () => {
    const stand = standInFor(policy({ selector, rules }, { labels: { "istio.io/rev": "canary", bad: 3 } }));
    expect(stand?.spec.selector).toEqual(selector);
    expect(stand?.metadata.labels).toEqual({ "istio.io/rev": "canary" });
  });

  test.each([
    ["STRICT for a port that is none", { selector, portLevelMtls: { http: { mode: "STRICT" } } }, "STRICT"],
    ["a mode that is none", { mtls: { mode: "STRIKT" } }, "STRICT"],
    ["a misspelt field", { selector, mtsl: { mode: "STRICT" } }, "STRICT"],
    ["ports that are none", { selector, portLevelMtls: "all" }, "STRICT"],
    ["PERMISSIVE for a port that is none", { selector, portLevelMtls: { http: { mode: "PERMISSIVE" } } }, null],
    ["a selector that cannot be read", { selector: 3, mtls: { mode: "STRIKT" } }, null],
  ])("a PeerAuthentication with %s", (_, spec, mode) => {
    const stand = standInFor({ ...policy(spec), kind: "PeerAuthentication" });
    if (stand?.kind !== "PeerAuthentication") return void expect(mode).toBeNull();
    expect([stand.spec.mtls?.mode, stand.spec.selector]).toEqual([mode, (spec as { selector?: unknown }).selector]);
  });

  test("nothing makes it throw", () =>
    fc.assert(
      fc.property(
        fc.anything(),
        fc.anything(),
        (raw, spec) =>
          void [standInFor(raw), standInFor(policy(spec)), standInFor({ ...policy(spec), kind: "PeerAuthentication" })],
      ),
    ));
});
