import { dumpAuthorization } from "@lateen/policy";
import { WorkloadStore, dumpService, dumpWorkload } from "@lateen/workload-model";
import { describe, expect, test } from "vitest";
import { loadStaticMesh } from "./load-static-mesh.ts";
import { parseStaticConfig } from "./static-config.ts";

const YAML = `
workloads:
- uid: cluster1//v1/Pod/default/local
  name: local
  namespace: default
  workloadIps: ["127.0.0.1"]
  protocol: HBONE
  waypoint: {destination: "default/waypoint.default.svc.cluster.local", hboneMtlsPort: 15008}
  networkGateway: {destination: "remote/10.0.0.9", hboneMtlsPort: 15008}
  services: {"default/example.com": {80: 8080}}
policies:
- name: deny-9999
  namespace: default
  scope: Namespace
  action: Allow
  rules: [[[{notDestinationPorts: [9999], principals: [{Exact: a}, {Presence: []}], sourceIps: [10.0.0.0/8]}]]]
services:
- name: local
  namespace: default
  hostname: example.com
  vips: ["/127.10.0.1", "remote/127.10.0.2"]
  cidrVips: [{cidr: 10.1.0.0/16}]
  ports: {80: 8080}
  loadBalancer: {routingPreferences: [Region], mode: Failover, healthPolicy: OnlyHealthy}
`;

describe("a static configuration", () => {
  test("becomes workloads, services and policies", async () => {
    const mesh = await loadStaticMesh({ t: "text", text: YAML }, () => null);
    const [workload] = mesh.ok ? (mesh.value?.workloads ?? []) : [];
    const [service] = mesh.ok ? (mesh.value?.services ?? []) : [];
    const [policy] = mesh.ok ? (mesh.value?.policies ?? []) : [];
    expect(workload).toMatchObject({
      addresses: ["127.0.0.1"],
      tunnelProtocol: "HBONE",
      identity: { trustDomain: "cluster.local", namespace: "default", serviceAccount: "default" },
      waypoint: { destination: { t: "hostname", namespace: "default" } },
      networkGateway: { destination: { t: "address", network: "remote", ip: "10.0.0.9" } },
      services: new Map([["default/example.com", [{ servicePort: 80, targetPort: 8080 }]]]),
    });
    expect(service).toMatchObject({
      addresses: [
        { network: "", ip: "127.10.0.1", length: null },
        { network: "remote", ip: "127.10.0.2", length: null },
        { network: "", ip: "10.1.0.0", length: 16 },
      ],
      loadBalancing: { routingPreference: ["REGION"], mode: "FAILOVER", healthPolicy: "ONLY_HEALTHY" },
    });
    expect(policy?.rules[0]?.clauses[0]?.matches[0]).toMatchObject({
      notDestinationPorts: [9999],
      principals: [{ t: "exact", value: "a" }, { t: "presence" }],
    });
  });

  test("may be what a dump shows", () => {
    const first = parseStaticConfig({
      workloads: [{ namespace: "a", workloadIps: ["10.0.0.1"], services: { "a/b": { 80: 81 } }, capacity: 2 }],
      services: [
        { name: "b", namespace: "a", hostname: "b", vips: ["/10.1.0.1"], ports: { 80: 81 }, ipFamilies: "Dual" },
      ],
      policies: [
        { name: "p", namespace: "a", scope: "Global", action: "Deny", rules: [[[{ namespaces: [{ Suffix: "x" }] }]]] },
      ],
    });
    if (!first.ok) throw first.error;
    const { workloads, services, policies } = first.value;
    const store = new WorkloadStore(null);
    store.apply({ workloads, services, removed: [] });
    const again = parseStaticConfig({
      workloads: workloads.map(dumpWorkload),
      services: services.map((s) => dumpService(store, s)),
      policies: policies.map(dumpAuthorization),
    });
    expect(again).toEqual(first);
  });

  test("an empty document is an empty mesh", () =>
    expect(parseStaticConfig(null)).toEqual({ ok: true, value: { workloads: [], services: [], policies: [] } }));

  test.each([
    [{ workloads: [{ namespace: "a", workloadIps: ["no"], services: {} }] }, /workloads.0.workloadIps.0: "no" is not/],
    [{ workloads: [{ namespace: "a", workloadIps: [], services: {}, colour: 1 }] }, /workloads.0: .*colour/],
    [{ workloads: [{ namespace: "a", workloadIps: [] }] }, /workloads.0.services/],
    [{ workloads: [{ namespace: "a", workloadIps: [], services: {}, protocol: "UDP" }] }, /must be one of HBONE, TCP/],
    [{ services: [{ name: "a", namespace: "b", hostname: "c", vips: ["10.0.0.1"], ports: {} }] }, /is not network\/ip/],
    [{ services: [{ name: "a", namespace: "b", hostname: "c", vips: [], ports: { 99999: 1, x: 2 } }] }, /ports.x/],
    [{ policies: [{ name: "p", namespace: "", scope: "All", action: "Allow", rules: [] }] }, /policies.0.scope/],
    [{ everything: [] }, /everything/],
  ])("%j is refused with its path", (document, why) => {
    const read = parseStaticConfig(document);
    expect(read.ok ? "" : read.error.message).toMatch(why);
  });

  test("a file that is not there is an error, no configuration is none", async () => {
    expect(await loadStaticMesh(null, () => null)).toEqual({ ok: true, value: null });
    const missing = await loadStaticMesh({ t: "file", path: "/none" }, () => null);
    expect(missing.ok ? "" : missing.error.message).toContain("there is no /none");
  });
});
