import { describe, expect, test } from "vitest";
import { balanceCandidates, pickWeighted } from "./load-balance.ts";
import { byAddress, byHostname, members, service, storeOf, vip, workload } from "./mesh.test.support.ts";
import type { LoadBalancing, Service, Workload } from "./model.ts";
import { type OutboundRoute, routeOutbound } from "./outbound.ts";

const client = workload("client", { addresses: ["10.0.0.1", "2001:db8::1"] });
const spiffe = (sa: string): string => `spiffe://cluster.local/ns/ns/sa/${sa}`;

interface Mesh {
  readonly workloads?: readonly Workload[];
  readonly services?: readonly Service[];
}
function route(mesh: Mesh, ip: string, port = 80, source = client): OutboundRoute {
  const store = storeOf([client, ...(mesh.workloads ?? [])], mesh.services ?? []);
  return routeOutbound(store, {
    source,
    sourceIp: "10.0.0.1",
    destination: { ip, port },
    network: "",
    random: () => 0,
  });
}

const SVC = "ns/s.ns.svc";
const backend = workload("b", { addresses: ["10.0.1.1"], services: members(SVC) });
const s = service("s", { addresses: [vip("10.96.0.1")], subjectAltNames: [spiffe("b"), spiffe("c")] });
const waypointPod = workload("wp", { addresses: ["10.0.2.1"], services: members("ns/wp.ns.svc") });
const waypoint = service("wp", { addresses: [vip("10.96.0.2")], ports: [{ servicePort: 15_008, targetPort: 15_008 }] });
const gatewayPod = workload("gw", { addresses: ["10.5.0.1"], network: "far" });
const remote = workload("r", {
  network: "far",
  services: members(SVC),
  networkGateway: byAddress("10.5.0.1", 15_009, "far"),
});

describe("the outbound decision table", () => {
  const table: readonly (readonly [string, Mesh, string, number, Partial<Record<string, unknown>>])[] = [
    [
      "a service with a waypoint",
      { workloads: [backend, waypointPod], services: [{ ...s, waypoint: byHostname("wp.ns.svc") }, waypoint] },
      "10.96.0.1",
      80,
      {
        t: "hbone",
        via: "waypoint",
        to: { ip: "10.0.2.1", port: 15_008 },
        authority: "10.96.0.1:80",
        expected: [spiffe("wp")],
      },
    ],
    [
      "a service without one",
      { workloads: [backend], services: [s] },
      "10.96.0.1",
      80,
      {
        t: "hbone",
        via: "direct",
        to: { ip: "10.0.1.1", port: 15_008 },
        authority: "10.0.1.1:8080",
        expected: [spiffe("b"), spiffe("c")],
      },
    ],
    [
      "an endpoint outside of the mesh",
      { workloads: [{ ...backend, tunnelProtocol: "NONE" }], services: [s] },
      "10.96.0.1",
      80,
      { t: "tcp", to: { ip: "10.0.1.1", port: 8080 } },
    ],
    [
      "a port that the service has not",
      { workloads: [backend], services: [s] },
      "10.96.0.1",
      81,
      { t: "deny", error: "no healthy upstream: 10.96.0.1:81" },
    ],
    [
      "a service without endpoints",
      { services: [s] },
      "10.96.0.1",
      80,
      { t: "deny", error: "no healthy upstream: 10.96.0.1:80" },
    ],
    [
      "a service that passes through",
      {
        workloads: [backend],
        services: [
          { ...s, loadBalancing: { routingPreference: [], mode: "PASSTHROUGH", healthPolicy: "ONLY_HEALTHY" } },
        ],
      },
      "10.96.0.1",
      80,
      { t: "tcp", to: { ip: "10.96.0.1", port: 80 }, workload: null },
    ],
    [
      "a pod",
      { workloads: [backend] },
      "10.0.1.1",
      7000,
      {
        t: "hbone",
        via: "direct",
        to: { ip: "10.0.1.1", port: 15_008 },
        authority: "10.0.1.1:7000",
        service: null,
        expected: [spiffe("b")],
      },
    ],
    [
      "a pod with a waypoint",
      { workloads: [{ ...backend, waypoint: byAddress("10.0.2.1") }, waypointPod] },
      "10.0.1.1",
      7000,
      { t: "hbone", via: "waypoint", to: { ip: "10.0.2.1", port: 15_008 }, authority: "10.0.1.1:7000" },
    ],
    [
      "a pod whose service has a waypoint",
      { workloads: [backend, waypointPod], services: [{ ...s, waypoint: byHostname("wp.ns.svc") }, waypoint] },
      "10.0.1.1",
      80,
      { t: "hbone", via: "direct", to: { ip: "10.0.1.1", port: 15_008 } },
    ],
    [
      "an address inside a block",
      { workloads: [backend], services: [{ ...s, addresses: [{ network: "", ip: "10.200.0.0", length: 16 }] }] },
      "10.200.3.4",
      80,
      { t: "hbone", authority: "10.0.1.1:8080" },
    ],
    [
      "an address of nobody",
      {},
      "192.0.2.1",
      443,
      { t: "tcp", to: { ip: "192.0.2.1", port: 443 }, workload: null, service: null },
    ],
    [
      "a host-network endpoint",
      { workloads: [{ ...backend, networkMode: "HOST_NETWORK", tunnelProtocol: "NONE" }], services: [s] },
      "10.96.0.1",
      80,
      { t: "tcp", to: { ip: "10.0.1.1", port: 8080 } },
    ],
    [
      "a host-network pod by address",
      { workloads: [{ ...backend, networkMode: "HOST_NETWORK" }] },
      "10.0.1.1",
      80,
      { t: "tcp", workload: null },
    ],
    [
      "loopback on a port of the proxy",
      {},
      "127.0.0.1",
      15_008,
      { t: "deny", error: "attempted recursive call to ourselves" },
    ],
    ["loopback on another port", {}, "127.0.0.1", 80, { t: "tcp" }],
    [
      "an endpoint of another network",
      { workloads: [remote, gatewayPod], services: [s] },
      "10.96.0.1",
      80,
      {
        t: "double-hbone",
        to: { ip: "10.5.0.1", port: 15_009 },
        authority: "s.ns.svc:80",
        expected: [spiffe("gw")],
        innerExpected: s.subjectAltNames,
      },
    ],
    [
      "an endpoint of another network without gateway",
      { workloads: [{ ...remote, networkGateway: null, addresses: ["10.7.0.1"] }], services: [s] },
      "10.96.0.1",
      80,
      { t: "deny", error: "no valid routing destination for workload: ns/r" },
    ],
    [
      "an unknown gateway",
      { workloads: [remote], services: [s] },
      "10.96.0.1",
      80,
      { t: "deny", error: "unknown network gateway: far/10.5.0.1" },
    ],
    [
      "a service whose waypoint nobody knows",
      { workloads: [backend], services: [{ ...s, waypoint: byHostname("wp.ns.svc") }] },
      "10.96.0.1",
      80,
      { t: "deny", error: "unknown waypoint: ns/wp.ns.svc" },
    ],
    [
      "a service whose waypoint has no endpoint",
      { workloads: [backend], services: [{ ...s, waypoint: byHostname("wp.ns.svc") }, waypoint] },
      "10.96.0.1",
      80,
      { t: "deny", error: "unknown waypoint: ns/wp.ns.svc" },
    ],
    [
      "a waypoint behind an application tunnel, whose service lacks the port",
      {
        workloads: [{ ...waypointPod, applicationTunnel: { protocol: "PROXY", port: 15_088 } }],
        services: [
          { ...s, waypoint: byHostname("wp.ns.svc") },
          { ...waypoint, ports: [] },
        ],
      },
      "10.96.0.1",
      80,
      { t: "hbone", to: { ip: "10.0.2.1", port: 15_008 } },
    ],
    [
      "a service that the client may not see",
      { workloads: [backend], services: [{ ...s, namespace: "far", hostname: "s.far.svc", visibility: "NAMESPACE" }] },
      "10.96.0.1",
      80,
      { t: "tcp", workload: null },
    ],
    [
      "an endpoint with only a hostname",
      { workloads: [{ ...backend, addresses: [], hostname: "db.example" }], services: [s] },
      "10.96.0.1",
      80,
      { t: "resolve", hostname: "db.example", family: "ipv4" },
    ],
    [
      "an unhealthy endpoint",
      { workloads: [{ ...backend, status: "UNHEALTHY" }], services: [s] },
      "10.96.0.1",
      80,
      { t: "deny" },
    ],
    [
      "weighted waypoints, of which one has all the weight",
      {
        workloads: [waypointPod],
        services: [
          {
            ...s,
            weightedWaypoints: [
              { destination: byHostname("nobody"), weight: 0 },
              { destination: byHostname("wp.ns.svc"), weight: 1 },
            ],
          },
          waypoint,
        ],
      },
      "10.96.0.1",
      80,
      { t: "hbone", via: "waypoint", to: { ip: "10.0.2.1", port: 15_008 } },
    ],
  ];
  for (const [name, mesh, ip, port, want] of table) test(name, () => expect(route(mesh, ip, port)).toMatchObject(want));
});

describe("the address that is dialled", () => {
  const dual = { ...backend, addresses: ["10.0.1.1", "2001:db8::b"] };
  const families = (ipFamilies: Service["ipFamilies"]): Service => ({
    ...s,
    ipFamilies,
    addresses: [vip("10.96.0.1"), vip("2001:db8::96")],
  });
  const table: readonly (readonly [string, Service["ipFamilies"], string, string])[] = [
    ["follows the family asked for", "AUTOMATIC", "2001:db8::96", "2001:db8::b"],
    ["is IPv4 where the service has only that", "IPV4_ONLY", "2001:db8::96", "10.0.1.1"],
    ["is IPv6 where the service has only that", "IPV6_ONLY", "10.96.0.1", "2001:db8::b"],
    ["follows the family of a dual service", "DUAL", "10.96.0.1", "10.0.1.1"],
  ];
  for (const [name, family, ip, want] of table)
    test(name, () =>
      expect(route({ workloads: [dual], services: [families(family)] }, ip)).toMatchObject({ to: { ip: want } }),
    );

  test("of a resolved hostname carries the target port", () => {
    const r = route(
      { workloads: [{ ...backend, addresses: [], hostname: "db.example", tunnelProtocol: "NONE" }], services: [s] },
      "10.96.0.1",
    );
    expect(r.t === "resolve" && r.withIp("192.0.2.9")).toMatchObject({ t: "tcp", to: { ip: "192.0.2.9", port: 8080 } });
  });
});

test("a waypoint does not call itself", () => {
  const guarded = { ...backend, waypoint: byHostname("wp.ns.svc") };
  const store = storeOf([guarded, waypointPod], [waypoint]);
  const query = { source: waypointPod, destination: { ip: "10.0.1.1", port: 80 }, network: "", random: () => 0 };
  expect(routeOutbound(store, query)).toMatchObject({ t: "hbone", via: "direct" });
  expect(routeOutbound(store, { ...query, sourceIp: "10.0.9.9" })).toMatchObject({ via: "waypoint" });
});

test("the steps of a decision can be heard", () => {
  const steps: string[] = [];
  const query = { source: client, destination: { ip: "10.96.0.1", port: 80 }, network: "", random: () => 0 };
  routeOutbound(storeOf([client, backend], [s]), { ...query, trace: (step) => steps.push(step) });
  expect(steps).toEqual([
    "10.96.0.1 is a virtual address of service ns/s.ns.svc",
    "service ns/s.ns.svc has 1 ready endpoints; 1 serve port 80, 1 are candidates",
    "chosen: ns/b",
    "HBONE to 10.0.1.1:15008 for 10.0.1.1:8080: the destination workload is in the mesh",
  ]);
});

describe("load balancing", () => {
  const at = (name: string, region: string, zone: string, network = ""): Workload =>
    workload(name, {
      addresses: [`10.0.3.${name.length}`],
      network,
      services: members(SVC),
      locality: { region, zone, subzone: "" },
    });
  const endpoints = [at("zone", "r", "z"), at("region-x", "r", "y"), at("else", "q", "z")];
  const candidates = (lb: LoadBalancing, source: Workload): string[] => {
    const balanced = { ...s, loadBalancing: lb };
    const q = { service: balanced, source, port: 80, use: "standard" } as const;
    return balanceCandidates(storeOf(endpoints, [balanced]), q)
      .map((c) => c.workload.name)
      .sort();
  };
  const lb = (
    mode: LoadBalancing["mode"],
    ...routingPreference: LoadBalancing["routingPreference"]
  ): LoadBalancing => ({
    routingPreference,
    mode,
    healthPolicy: "ONLY_HEALTHY",
  });
  const near = { ...client, locality: { region: "r", zone: "z", subzone: "" } };

  const table: readonly (readonly [string, LoadBalancing, readonly string[]])[] = [
    ["takes all without a mode", lb("UNSPECIFIED_MODE", "REGION", "ZONE"), ["else", "region-x", "zone"]],
    ["prefers the longest match of leading scopes", lb("FAILOVER", "REGION", "ZONE"), ["zone"]],
    ["stops at the first scope that differs", lb("FAILOVER", "ZONE", "REGION"), ["zone"]],
    ["needs every scope when strict", lb("STRICT", "REGION"), ["region-x", "zone"]],
    ["strictly matches a network first", lb("STRICT", "NETWORK", "REGION", "ZONE"), ["zone"]],
    ["fails over by node", lb("FAILOVER", "NODE"), ["else", "region-x", "zone"]],
  ];
  for (const [name, balancing, want] of table) test(name, () => expect(candidates(balancing, near)).toEqual(want));

  test("leaves none when strict and nothing matches", () =>
    expect(candidates(lb("STRICT", "CLUSTER"), { ...near, clusterId: "other" })).toEqual([]));

  test("draws by weight, and never what weighs nothing", () => {
    const items = [
      ["a", 0],
      ["b", 3],
      ["c", 1],
      ["d", 0],
    ] as const;
    const draws = Array.from(
      { length: 400 },
      (_, i) =>
        pickWeighted(
          items,
          ([, w]) => w,
          () => i / 400,
        )?.[0],
    );
    expect(draws.filter((d) => d === "b")).toHaveLength(300);
    expect(draws.filter((d) => d === "c")).toHaveLength(100);
    expect(
      pickWeighted(
        [["a", 0]] as const,
        ([, w]) => w,
        () => 0.5,
      ),
    ).toBeNull();
  });
});
