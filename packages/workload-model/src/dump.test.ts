import { expect, test } from "vitest";
import { dumpService, dumpWorkload } from "./dump.ts";
import { byAddress, byHostname, service, storeOf, vip, workload } from "./mesh.test.support.ts";

const full = workload("web", {
  addresses: ["10.0.0.1", "2001:db8::1"],
  network: "net",
  hostname: "web.example",
  nativeTunnel: true,
  networkMode: "HOST_NETWORK",
  status: "UNHEALTHY",
  waypoint: byHostname("wp.ns.svc"),
  networkGateway: byAddress("10.5.0.1", 15_009, "far"),
  applicationTunnel: { protocol: "PROXY", port: 15_088 },
  authorizationPolicies: ["ns/p"],
  services: new Map([["ns/s.ns.svc", [{ servicePort: 80, targetPort: 8080 }]]]),
  locality: { region: "r", zone: "z", subzone: "" },
  capacity: 3,
});

test("a workload has the keys and spellings of ztunnel", () =>
  expect(dumpWorkload(full)).toEqual({
    workloadIps: ["10.0.0.1", "2001:db8::1"],
    waypoint: { destination: "ns/wp.ns.svc", hboneMtlsPort: 15_008 },
    networkGateway: { destination: "far/10.5.0.1", hboneMtlsPort: 15_009 },
    protocol: "HBONE",
    networkMode: "HostNetwork",
    uid: "Kubernetes//Pod/ns/web",
    name: "web",
    namespace: "ns",
    trustDomain: "cluster.local",
    serviceAccount: "web",
    network: "net",
    workloadName: "web",
    workloadType: "deployment",
    canonicalName: "web",
    canonicalRevision: "v1",
    hostname: "web.example",
    node: "node-1",
    nativeTunnel: true,
    applicationTunnel: { protocol: "PROXY", port: 15_088 },
    authorizationPolicies: ["ns/p"],
    status: "Unhealthy",
    clusterId: "Kubernetes",
    locality: { region: "r", zone: "z" },
    services: { "ns/s.ns.svc": { "80": 8080 } },
    capacity: 3,
  }));

test("what has its default value is left out of a workload", () =>
  expect(Object.keys(dumpWorkload(workload("w", { tunnelProtocol: "NONE" })))).not.toEqual(
    expect.arrayContaining(["waypoint", "networkMode", "hostname", "nativeTunnel", "locality", "capacity"]),
  ));

test("a service has the keys and spellings of ztunnel, with its endpoints", () => {
  const s = service("s", {
    addresses: [vip("10.96.0.1"), { network: "net", ip: "10.200.0.0", length: 16 }],
    subjectAltNames: ["spiffe://cluster.local/ns/ns/sa/web"],
    waypoint: byHostname("wp.ns.svc"),
    weightedWaypoints: [{ destination: byAddress("10.0.2.1"), weight: 7 }],
    loadBalancing: { routingPreference: ["NETWORK", "SUBZONE"], mode: "FAILOVER", healthPolicy: "ALLOW_ALL" },
    ipFamilies: "IPV4_ONLY",
    canonical: true,
    visibility: "NAMESPACE",
  });
  expect(dumpService(storeOf([full], [s]), s)).toEqual({
    name: "s",
    namespace: "ns",
    hostname: "s.ns.svc",
    vips: ["/10.96.0.1"],
    cidrVips: [{ cidr: "10.200.0.0/16", network: "net" }],
    ports: { "80": 8080 },
    endpoints: {
      "Kubernetes//Pod/ns/web": { workloadUid: "Kubernetes//Pod/ns/web", port: { "80": 8080 }, status: "Unhealthy" },
    },
    subjectAltNames: ["spiffe://cluster.local/ns/ns/sa/web"],
    waypoint: { destination: "ns/wp.ns.svc", hboneMtlsPort: 15_008 },
    weightedWaypoints: [{ destination: { destination: "/10.0.2.1", hboneMtlsPort: 15_008 }, weight: 7 }],
    loadBalancer: { routingPreferences: ["Network", "Subzone"], mode: "Failover", healthPolicy: "AllowAll" },
    ipFamilies: "IPv4",
    canonical: true,
    visibility: "Namespace",
  });
});
