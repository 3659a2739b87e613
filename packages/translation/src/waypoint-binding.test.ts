import { describe, expect, test } from "vitest";
import { type Rig, rig } from "./mesh.test.support.ts";
import {
  condition,
  namespace,
  pod,
  service,
  serviceEntry,
  toldBy,
  waypoint,
  workloadEntry,
} from "./objects.test.support.ts";

const use = (name: string, more: object = {}): { metadata: { labels: object } } => ({
  metadata: { labels: { "istio.io/use-waypoint": name, ...more } },
});
const KEY = "shop/web.shop.svc.cluster.local";
const hostOf = (r: Rig): string | null => {
  const at = r.model.services.get(KEY)?.waypoint?.destination;
  return at?.t === "hostname" ? at.hostname : null;
};
const bound = (r: Rig, object = "Service/shop/web"): string | undefined =>
  condition(r, object, "istio.io/WaypointBound");

describe("a service's waypoint", () => {
  test.each<[string, readonly object[], string | null, string | undefined]>([
    ["nobody asked", [waypoint("wp"), service("web")], null, undefined],
    ["its own label", [waypoint("wp"), service("web", use("wp"))], "wp.example", "True WaypointAccepted"],
    [
      "its Namespace's",
      [waypoint("wp"), namespace("shop", { "istio.io/use-waypoint": "wp" }), service("web")],
      "wp.example",
      "True WaypointAccepted",
    ],
    [
      "none opts out",
      [waypoint("wp"), namespace("shop", { "istio.io/use-waypoint": "wp" }), service("web", use("none"))],
      null,
      undefined,
    ],
    [
      "one that is not ready is not replaced by the Namespace's",
      [
        waypoint("own", { ready: false }),
        waypoint("wp"),
        namespace("shop", { "istio.io/use-waypoint": "wp" }),
        service("web", use("own")),
      ],
      null,
      "False WaypointIsNotReady",
    ],
    [
      "one for workloads only",
      [waypoint("wp", { for: "workload" }), service("web", use("wp"))],
      null,
      "False UnsupportedTrafficType",
    ],
    [
      "one that serves its own namespace only",
      [
        waypoint("wp", { namespace: "other" }),
        service("web", use("wp", { "istio.io/use-waypoint-namespace": "other" })),
      ],
      null,
      "False AttachmentDenied",
    ],
    [
      "one of another namespace that serves all",
      [
        waypoint("wp", { namespace: "other", from: "All" }),
        service("web", use("wp", { "istio.io/use-waypoint-namespace": "other" })),
      ],
      "wp.example",
      "True WaypointAccepted",
    ],
    [
      "a part of a waypoint has none",
      [waypoint("wp"), service("web", use("wp", { "gateway.istio.io/managed": "istio.io-mesh-controller" }))],
      null,
      undefined,
    ],
  ])("%s", (_, objects, host, status) => {
    const r = rig();
    r.put(...objects);
    expect([hostOf(r), bound(r)]).toEqual([host, status]);
  });

  test("comes with its Gateway and goes with it, and nothing else is told", () => {
    const r = rig();
    r.put(service("web", use("wp")), service("other"), pod("web"));
    expect(toldBy(r, () => r.put(waypoint("wp")))).toEqual([KEY]);
    expect(hostOf(r)).toBe("wp.example");
    expect(toldBy(r, () => r.remove("Gateway", "shop/wp"))).toEqual([KEY]);
    expect(bound(r)).toBe("False WaypointIsNotReady");
  });

  test.each<[string, object, object, readonly number[]]>([
    ["a share", { "istio.io/use-waypoint-canary": "canary" }, { "istio.io/use-waypoint-canary-weight": "5" }, [95, 5]],
    [
      "an invalid weight",
      { "istio.io/use-waypoint-canary": "canary" },
      { "istio.io/use-waypoint-canary-weight": "101" },
      [],
    ],
    ["one that is the waypoint itself", { "istio.io/use-waypoint-canary": "wp" }, {}, []],
    ["one that is not there", { "istio.io/use-waypoint-canary": "gone" }, {}, []],
  ])("a canary with %s never unbinds the first", (_, labels, annotations, weights) => {
    const r = rig();
    r.put(
      waypoint("wp"),
      waypoint("canary"),
      service("web", { metadata: { ...use("wp", labels).metadata, annotations } }),
    );
    expect(r.model.services.get(KEY)?.weightedWaypoints.map((w) => w.weight)).toEqual(weights);
    expect([hostOf(r), bound(r)]).toEqual(["wp.example", "True WaypointAccepted"]);
  });
});

describe("a workload's waypoint", () => {
  test("a mismatch that is only inherited is silent, its own is not", () => {
    const r = rig();
    r.put(
      waypoint("wp"),
      namespace("shop", { "istio.io/use-waypoint": "wp" }),
      workloadEntry("vm", { address: "10.1.0.1" }),
    );
    expect(bound(r, "WorkloadEntry/shop/vm")).toBe(undefined);
    r.put(workloadEntry("vm", { address: "10.1.0.1" }, use("wp").metadata));
    expect(bound(r, "WorkloadEntry/shop/vm")).toBe("False UnsupportedTrafficType");
  });

  test("an instance has none, and takes connections as its binding says", () => {
    const r = rig();
    const gateway = waypoint("wp", { for: "all" }) as { metadata: object };
    const annotations = { "ambient.istio.io/waypoint-inbound-binding": "PROXY/15088" };
    r.put(
      { ...gateway, metadata: { ...gateway.metadata, annotations } },
      namespace("shop", { "istio.io/use-waypoint": "wp" }),
    );
    r.put(pod("wp-1", { labels: { "gateway.networking.k8s.io/gateway-name": "wp" } }), pod("web", { ip: "10.0.0.2" }));
    expect(r.model.workloads.get("Kubernetes//Pod/shop/wp-1")).toMatchObject({
      waypoint: null,
      applicationTunnel: { protocol: "PROXY", port: 15_088 },
    });
    expect(r.model.workloads.get("Kubernetes//Pod/shop/web")?.waypoint).not.toBe(null);
  });
});

test("a ServiceEntry that only its namespace sees is not served elsewhere", () => {
  const r = rig();
  r.graph.update(() =>
    r.inputs.MeshConfig.set("", { ...MESH, serviceEntryVisibility: { defaultVisibility: "NAMESPACE", policies: [] } }),
  );
  const labels = { "istio.io/use-waypoint": "wp", "istio.io/use-waypoint-namespace": "other" };
  r.put(waypoint("wp", { namespace: "other", from: "All" }), serviceEntry("se", { resolution: "DNS" }, { labels }));
  expect(bound(r, "ServiceEntry/shop/se")).toBe("False CrossNamespaceWaypointForbidden");
  expect(condition(r, "ServiceEntry/shop/se", "istio.io/VisibilityApplied")).toBe("True Namespace");
});

test("a wildcard host says that it needs a waypoint, until it has one", () => {
  const r = rig();
  const wild = { hosts: ["*.example.com"], resolution: "DYNAMIC_DNS" };
  r.put(serviceEntry("se", wild));
  expect(condition(r, "ServiceEntry/shop/se", "istio.io/WaypointMissing")).toBe("True NoWaypointForWildcardService");
  r.put(waypoint("wp"), serviceEntry("se", wild, use("wp").metadata));
  expect(condition(r, "ServiceEntry/shop/se", "istio.io/WaypointMissing")).toBe(undefined);
});

const MESH = {
  trustDomain: "cluster.local",
  trustDomainAliases: [],
  rootNamespace: "istio-system",
  discoverySelectors: [],
  serviceScopeConfigs: [],
};
