import { MeshError } from "@lateen/errors";
import { describe, expect, test } from "vitest";
import { findPod } from "./find-pod.ts";

const pod = (namespace: string, name: string, deployment: string | null = null, ready = true) => ({
  namespace,
  name,
  deployment,
  ready,
});
const pods = [
  pod("shop", "catalog-abc-1", "catalog", false),
  pod("shop", "catalog-abc-2", "catalog"),
  pod("shop", "status"),
  pod("legacy", "monitor"),
  pod("other", "status"),
];

describe("pods by name", () => {
  const rows: readonly [string, string][] = [
    ["status.shop", "shop/status"],
    ["shop/status", "shop/status"],
    ["pod/status.other", "other/status"],
    ["monitor", "legacy/monitor"],
    ["catalog", "shop/catalog-abc-2"],
    ["deploy/catalog", "shop/catalog-abc-2"],
    ["deployment/catalog.shop", "shop/catalog-abc-2"],
    ["catalog-abc-1", "shop/catalog-abc-1"],
  ];
  for (const [text, want] of rows)
    test(`${text} is ${want}`, () => {
      const found = findPod(pods, text);
      expect(`${found.namespace}/${found.name}`).toBe(want);
    });

  const refused: readonly [string, string, RegExp][] = [
    ["status", "BAD_INPUT", /one in shop and other; say status\.NAMESPACE/],
    ["nobody", "NO_ROUTE", /there are catalog\.shop, catalog-abc-1\.shop/],
    ["pod/catalog", "NO_ROUTE", /did you mean "catalog-abc-1\.shop"\?$/],
    ["deploy/status.shop", "NO_ROUTE", /there is only catalog\.shop$/],
    ["deploy/catlog", "NO_ROUTE", /did you mean "catalog\.shop"\?$/],
    ["monitr", "NO_ROUTE", /did you mean "monitor\.legacy"\?$/],
    ["monitor.legcy", "NO_ROUTE", /did you mean "monitor\.legacy"\?$/],
    ["monitor.production", "NO_ROUTE", /there is only monitor\.legacy$/],
    ["", "NO_ROUTE", /there are/],
  ];
  for (const [text, code, message] of refused)
    test(`${JSON.stringify(text)} is refused`, () => {
      try {
        findPod(pods, text);
      } catch (e) {
        expect(MeshError.is(e) && e.code).toBe(code);
        expect(String(e)).toMatch(message);
        return;
      }
      throw new Error("found one");
    });
});
