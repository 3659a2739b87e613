import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rig } from "./mesh.test.support.ts";
import {
  condition,
  namespace,
  pod,
  portsOf,
  service,
  serviceEntry,
  toldBy,
  workloadEntry,
} from "./objects.test.support.ts";

const WEB = "shop/web.shop.svc.cluster.local";

describe("equal host names", () => {
  const at = (age: number): Record<string, unknown> => ({ creationTimestamp: `2026-01-01T00:00:0${age}Z` });
  const entry = (name: string, age: number, ip: string, spec: object = {}): object =>
    serviceEntry(name, { resolution: "STATIC", endpoints: [{ address: ip }], ...spec }, { ...at(age) });

  test("the oldest of a namespace counts, with its endpoints; the other says so, and takes over", () => {
    const r = rig();
    r.put(entry("young", 2, "10.1.0.2"), entry("old", 1, "10.1.0.1"));
    const told = (): unknown => [
      r.model.services.get("shop/a.example.com")?.name,
      r.model.workloads.values().map((w) => w.addresses[0]),
    ];
    expect(told()).toEqual(["old", ["10.1.0.1"]]);
    expect(condition(r, "ServiceEntry/shop/young", "lateen.dev/HostShadowed")).toBe("True ShadowedByOlderServiceEntry");
    r.remove("ServiceEntry", "shop/old");
    expect(told()).toEqual(["young", ["10.1.0.2"]]);
    expect(condition(r, "ServiceEntry/shop/young", "lateen.dev/HostShadowed")).toBe(undefined);
  });

  test("a Service counts before an older ServiceEntry, and is canonical", () => {
    const r = rig();
    const hosts = ["web.shop.svc.cluster.local"];
    r.put(entry("se", 1, "10.1.0.1", { hosts }), service("web", { metadata: at(5) }));
    expect(r.model.services.get(WEB)).toMatchObject({ name: "web", canonical: true });
    expect(condition(r, "ServiceEntry/shop/se", "lateen.dev/HostShadowed")).toBe("True ShadowedByService");
    expect(r.model.workloads.size).toBe(0);
  });

  test("whoever counts does not depend on the order of coming", () =>
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), (order) => {
        const objects = [
          entry("a", 1, "10.1.0.1"),
          entry("b", 1, "10.1.0.2"),
          entry("c", 0, "10.1.0.3"),
          service("web"),
        ];
        const [one, all] = [rig(), rig()];
        for (const i of order) one.put(objects[i]!);
        all.put(...objects);
        expect(one.model.services.entries()).toEqual(all.model.services.entries());
        expect(one.model.workloads.entries()).toEqual(all.model.workloads.entries());
      }),
    ));
});

describe("endpoints", () => {
  test("a named port is the container's own, and is left out where no container has it", () => {
    const r = rig();
    const ports = [
      { name: "http", port: 80, targetPort: "web" },
      { name: "admin", port: 81, targetPort: "none" },
      { name: "plain", port: 82 },
    ];
    r.put(service("web", { spec: { ports } }), pod("web"));
    expect(portsOf(r.model.workloads.get("Kubernetes//Pod/shop/web"))).toEqual(["web 80 → 8080", "web 82 → 82"]);
    expect(r.model.services.get(WEB)?.ports.map((p) => p.targetPort)).toEqual([0, 0, 0]);
  });

  test("a slice names a pod of a service without selector, by its UID", () => {
    const r = rig();
    const slice = (uid: string): object => ({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: "web-1", namespace: "shop", labels: { "kubernetes.io/service-name": "web" } },
      addressType: "IPv4",
      endpoints: [
        { addresses: ["10.0.0.1"], targetRef: { kind: "Pod", namespace: "shop", name: "p", uid } },
        { addresses: ["10.9.0.1"] },
      ],
      ports: [{ name: "http", port: 9090, protocol: "TCP" }],
    });
    r.put(service("web", { spec: { selector: {} } }), pod("p", { metadata: { uid: "u1" } }), slice("another"));
    const uid = "Kubernetes//Pod/shop/p";
    expect(portsOf(r.model.workloads.get(uid))).toEqual([]);
    r.put(slice("u1"));
    expect(portsOf(r.model.workloads.get(uid))).toEqual(["web 80 → 8080"]);
    const other = r.model.workloads.get("Kubernetes/discovery.k8s.io/EndpointSlice/shop/web-1/10.9.0.1");
    expect([portsOf(other), other?.networkMode]).toEqual([["web 80 → 9090"], "HOST_NETWORK"]);
  });

  test("a ServiceEntry selects pods and entries; a Service selects entries unless told not to", () => {
    for (const servicesSelectEntries of [true, false]) {
      const r = rig({ servicesSelectEntries });
      const workloadSelector = { labels: { app: "web" } };
      r.put(serviceEntry("se", { resolution: "STATIC", workloadSelector }), service("web"), pod("web"));
      r.put(workloadEntry("vm", { address: "10.1.0.1", ports: { http: 9000 }, labels: { app: "web" } }));
      const vm = portsOf(r.model.workloads.get("Kubernetes/networking.istio.io/WorkloadEntry/shop/vm"));
      expect(vm).toEqual(servicesSelectEntries ? ["a 80 → 9000", "web 80 → 9000"] : ["a 80 → 9000"]);
      expect(portsOf(r.model.workloads.get("Kubernetes//Pod/shop/web"))).toEqual(["a 80 → 80", "web 80 → 8080"]);
    }
  });

  test.each<[string, object, readonly string[]]>([
    ["a Unix socket is out of reach", { resolution: "STATIC", endpoints: [{ address: "unix:///run/a.sock" }] }, []],
    [
      "a name is resolved by the proxy",
      { resolution: "DNS", endpoints: [{ address: "b.example.com" }] },
      ["b.example.com"],
    ],
    ["a host is its own endpoint with DNS", { resolution: "DNS" }, ["a.example.com"]],
    ["a host has none with STATIC", { resolution: "STATIC" }, []],
  ])("%s", (_, spec, hostnames) => {
    const r = rig();
    r.put(serviceEntry("se", { ...spec }));
    expect(r.model.workloads.values().map((w) => w.hostname)).toEqual(hostnames);
  });

  test("one endpoint's network does not become another's", () => {
    const r = rig();
    const endpoints = [{ address: "10.1.0.1", network: "far" }, { address: "10.1.0.2" }];
    r.put(serviceEntry("se", { resolution: "STATIC", endpoints }));
    expect(r.model.workloads.values().map((w) => w.network)).toEqual(["far", ""]);
  });
});

describe("the world around", () => {
  test("the network of the cluster is the label of its system namespace, while it has one", () => {
    const r = rig();
    r.put(pod("web"), service("web"));
    const uid = "Kubernetes//Pod/shop/web";
    expect(toldBy(r, () => r.put(namespace("istio-system", { "topology.istio.io/network": "east" })))).toEqual([
      uid,
      WEB,
    ]);
    expect(r.model.workloads.get(uid)?.network).toBe("east");
    expect(r.model.services.get(WEB)?.addresses[0]?.network).toBe("east");
    r.remove("Namespace", "istio-system");
    expect(r.model.workloads.get(uid)?.network).toBe("");
  });

  test("discovery selectors hide namespaces, and show them when they change", () => {
    const r = rig();
    r.put(namespace("shop"), pod("web"), service("web"));
    const mesh = r.model.environment.mesh.get("")!;
    const discoverySelectors = [{ matchLabels: { mesh: "yes" } }];
    r.graph.update(() => r.inputs.MeshConfig.set("", { ...mesh, discoverySelectors }));
    expect([r.model.workloads.size, r.model.services.size]).toEqual([0, 0]);
    r.put(namespace("shop", { mesh: "yes" }));
    expect([r.model.workloads.size, r.model.services.size]).toEqual([1, 1]);
  });

  test("an older mesh asks a pod for its network, and its networks' blocks last", () => {
    const behaviour = { ...OLD, network: "workload" as const };
    const r = rig({ behaviour });
    r.graph.update(() =>
      r.inputs.MeshNetworks.set("", { networks: { far: { endpoints: [{ fromCidr: "10.0.0.0/24" }] } } }),
    );
    r.put(pod("a"), pod("b", { ip: "10.0.1.1" }), pod("c", { labels: { "topology.istio.io/network": "own" } }));
    expect(r.model.workloads.values().map((w) => w.network)).toEqual(["far", "", "own"]);
  });

  test("a Node's heartbeat reaches nobody", () => {
    const r = rig();
    const node = (beat: string): object => ({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "n1", labels: { "topology.kubernetes.io/zone": "z" }, annotations: { beat } },
    });
    r.put(node("1"), pod("web", { spec: { nodeName: "n1" } }));
    expect(toldBy(r, () => r.put(node("2")))).toEqual([]);
  });

  test("ExternalName Services are other names: chains end at a service of the mesh, circles nowhere", () => {
    const r = rig();
    const alias = (name: string, externalName: string): object =>
      service(name, { spec: { type: "ExternalName", externalName, selector: {}, clusterIP: "" } });
    const full = (name: string): string => `${name}.shop.svc.cluster.local`;
    r.put(
      service("web"),
      alias("a", full("b")),
      alias("b", `${full("web")}.`),
      alias("x", full("y")),
      alias("y", full("x")),
      alias("out", "example.com"),
    );
    const ends = r.model.externalNames.entries().map(([, e]) => [e.hostname.split(".")[0], e.target, e.service]);
    expect(ends).toEqual([
      ["a", full("web"), WEB],
      ["b", full("web"), WEB],
      ["out", "example.com", null],
      ["x", null, null],
      ["y", null, null],
    ]);
    expect(r.model.services.size).toBe(1);
  });
});

const OLD = {
  hostNetworkPods: "tell",
  workloadType: "pod",
  serviceAddresses: "cluster-ips",
  endpoints: "all",
  externalNames: "alias",
} as const;
