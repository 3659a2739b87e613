import { describe, expect, test } from "vitest";
import { parseMeshConfig, parseMeshNetworks } from "./index.ts";

describe("MeshConfig", () => {
  test("has Istio's defaults", () => {
    expect(parseMeshConfig(undefined)).toMatchObject({
      ok: true,
      value: { trustDomain: "cluster.local", rootNamespace: "istio-system", discoverySelectors: [] },
    });
  });
  test("keeps what it does not read", () => {
    expect(parseMeshConfig({ trustDomain: "prod", defaultConfig: { x: 1 } })).toMatchObject({
      ok: true,
      value: { trustDomain: "prod", defaultConfig: { x: 1 } },
    });
  });
  test("names what cannot be used, and an unknown visibility is not guessed", () => {
    const bad = parseMeshConfig({ trustDomain: "", serviceEntryVisibility: { defaultVisibility: "SECRET" } });
    expect(bad.ok ? "" : bad.error.message).toMatch(/trustDomain: .*serviceEntryVisibility.defaultVisibility: /);
  });
});

test("networks name blocks and registries", () => {
  const parsed = parseMeshNetworks({ networks: { east: { endpoints: [{ fromCidr: "10.0.0.0/8" }] } } });
  expect(parsed).toMatchObject({
    ok: true,
    value: { networks: { east: { endpoints: [{ fromCidr: "10.0.0.0/8" }] } } },
  });
  expect(parseMeshNetworks({ networks: { east: { endpoints: [{ fromCidr: "10/8" }] } } }).ok).toBe(false);
});
