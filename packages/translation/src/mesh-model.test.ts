import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rig } from "./mesh.test.support.ts";

const pod = (name: string, app: string, extra: { annotations?: object; status?: object } = {}): object => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop", labels: { app }, annotations: extra.annotations ?? {} },
  spec: {
    nodeName: "node-1",
    serviceAccountName: app,
    containers: [{ name: "c", ports: [{ name: "http", containerPort: 8080 }] }],
  },
  status: { podIP: "10.0.0.1", phase: "Running", conditions: [{ type: "Ready", status: "True" }], ...extra.status },
});
const service = (name: string, app: string, targetPort: number | string = "http"): object => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "shop" },
  spec: { clusterIP: "10.96.0.1", selector: { app }, ports: [{ port: 80, targetPort }] },
});
const peers = (name: string, spec: object, namespace = "shop"): object => ({
  apiVersion: "security.istio.io/v1",
  kind: "PeerAuthentication",
  metadata: { name, namespace },
  spec,
});
const allow = (name: string, app: string): object => ({
  apiVersion: "security.istio.io/v1",
  kind: "AuthorizationPolicy",
  metadata: { name, namespace: "shop" },
  spec: { selector: { matchLabels: { app } }, rules: [{}] },
});
const UID = "Kubernetes//Pod/shop/web-1";

describe("the mesh model", () => {
  test("a pod becomes a workload with its services, ports and place", () => {
    const r = rig();
    const labels = { "topology.kubernetes.io/region": "r1", "topology.kubernetes.io/zone": "z1" };
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: "node-1", labels } };
    r.put(pod("web-1", "web"), service("web", "web"), service("other", "other"), node);
    expect(r.model.workloads.get(UID)).toMatchObject({
      addresses: ["10.0.0.1"],
      tunnelProtocol: "NONE",
      identity: { trustDomain: "cluster.local", namespace: "shop", serviceAccount: "web" },
      node: "node-1",
      status: "HEALTHY",
      canonicalName: "web",
      locality: { region: "r1", zone: "z1", subzone: "" },
      services: new Map([["shop/web.shop.svc.cluster.local", [{ servicePort: 80, targetPort: 8080 }]]]),
    });
  });

  test.each([
    ["captured", { annotations: { "ambient.istio.io/redirection": "enabled" } }, "HBONE"],
    ["pending", { annotations: { "ambient.istio.io/redirection": "pending" } }, "NONE"],
    ["plain", {}, "NONE"],
  ])("a %s pod is reached by %s", (_, extra, protocol) => {
    const r = rig();
    r.put(pod("web-1", "web", extra));
    expect(r.model.workloads.get(UID)?.tunnelProtocol).toBe(protocol);
  });

  test.each([
    ["has ended", { phase: "Succeeded" }],
    ["has no address", { podIP: "" }],
    ["has an address that is none", { podIP: "10.0.0.999" }],
  ])("a pod that %s is no workload", (_, status) => {
    const r = rig();
    r.put(pod("web-1", "web", { status }));
    expect(r.model.workloads.size).toBe(0);
  });

  test("a Service with a named port leaves the port to its endpoints", () => {
    const r = rig();
    r.put(service("web", "web"), service("api", "api", 9090));
    const ports = (name: string): unknown => r.model.services.get(`shop/${name}.shop.svc.cluster.local`)?.ports;
    expect([ports("web"), ports("api")]).toEqual([
      [{ servicePort: 80, targetPort: 0 }],
      [{ servicePort: 80, targetPort: 9090 }],
    ]);
  });

  test("STRICT attaches the static policy, and a port that differs its own instead", () => {
    const r = rig();
    r.put(pod("web-1", "web"), peers("all", { mtls: { mode: "STRICT" } }));
    expect(r.model.workloads.get(UID)?.authorizationPolicies).toEqual(["istio-system/istio_converted_static_strict"]);
    const open = { selector: { matchLabels: { app: "web" } }, portLevelMtls: { "8080": { mode: "PERMISSIVE" } } };
    r.put(peers("web", open));
    expect(r.model.workloads.get(UID)?.authorizationPolicies).toEqual(["shop/converted_peer_authentication_web"]);
    expect([...r.model.authorizations.entries()].map(([key]) => key)).toEqual([
      "istio-system/istio_converted_static_strict",
      "shop/converted_peer_authentication_web",
    ]);
    r.remove("PeerAuthentication", "shop/web");
    r.remove("PeerAuthentication", "shop/all");
    expect([r.model.authorizations.size, r.model.workloads.get(UID)?.authorizationPolicies]).toEqual([0, []]);
  });

  test("a change of one policy computes only the workloads that look at it", () => {
    const r = rig();
    r.put(pod("web-1", "web"), pod("db-1", "db"), allow("web", "web"));
    const changed: string[][] = [];
    using _ = r.model.workloads.subscribe((changes) => changed.push(changes.map((c) => c.key)));
    changed.length = 0;
    r.put(allow("db", "db"));
    expect(changed).toEqual([["Kubernetes//Pod/shop/db-1"]]);
    expect(r.model.workloads.get(UID)?.authorizationPolicies).toEqual(["shop/web"]);
  });

  test("the order in which objects come and go does not matter", () => {
    const objects = [
      pod("web-1", "web"),
      pod("db-1", "db"),
      service("web", "web"),
      peers("all", { mtls: { mode: "STRICT" } }),
      peers("mesh", { mtls: { mode: "PERMISSIVE" } }, "istio-system"),
      allow("web", "web"),
      allow("db", "db"),
    ];
    const all = rig();
    all.put(...objects);
    fc.assert(
      fc.property(fc.shuffledSubarray(objects, { minLength: objects.length }), (order) => {
        const r = rig();
        for (const object of order) r.put(object);
        expect(r.model.workloads.entries()).toEqual(all.model.workloads.entries());
        expect(r.model.services.entries()).toEqual(all.model.services.entries());
        expect(r.model.authorizations.entries()).toEqual(all.model.authorizations.entries());
      }),
      { numRuns: 50 },
    );
  });
});
