import { expect, test } from "vitest";
import { readMeshSettings } from "./mesh-settings.ts";

const of = (mesh: string, meshNetworks = ""): unknown => readMeshSettings({ data: { mesh, meshNetworks } });

test.each([
  [{}, {}],
  [{ data: { mesh: "trustDomain: a.example\nanything: 1" } }, { trustDomain: "a.example" }],
])("%j can be used", (map, config) => {
  expect(readMeshSettings(map)).toMatchObject({ t: "good", value: { config } });
});

test.each([
  ["a: [", "", /its text is no YAML/],
  ["trustDomain: 1", "", /trustDomain/],
  ["trustDomain: a/b", "", /trustDomain: "a\/b" is no trust domain/],
  ["serviceSettings: [{ hosts: [a.*] }]", "", /serviceSettings\[0\]\.hosts\[0\]: "a\.\*"/],
  ["defaultTrafficPolicy: { outlierDetection: { maxEjectionPercent: 101 } }", "", /101 is not a percentage/],
  ["", "networks: { n: { gateways: [{ address: a_b, port: 1 }] } }", /networks\.n\.gateways\[0\]\.address/],
  ["localityLbSetting: { distribute: [{ from: a, to: { b: 50 } }] }", "", /must add up to 100/],
])("%s is refused, and says where", (mesh, networks, why) => {
  expect(of(mesh, networks)).toMatchObject({ t: "bad", why: expect.stringMatching(why) as string });
});
