import { describe, expect, test } from "vitest";
import { MeshLookup } from "./mesh-lookup.ts";
import { rig } from "./mesh.test.support.ts";
import { pod, service, workloadEntry } from "./objects.test.support.ts";

describe("names that proxies ask for", () => {
  const r = rig({ network: "east" });
  const lookup = new MeshLookup(r.graph, r.model);
  r.put(service("web"), pod("web", { spec: { nodeName: "n1" } }), pod("other", { ip: "10.0.0.2" }));
  r.put(workloadEntry("vm", { address: "10.0.0.1" }), pod("host", { ip: "10.0.0.2", spec: { hostNetwork: true } }));
  const names = (name: string): unknown => {
    const { workloads, services } = lookup.find(name);
    return [workloads.map((w) => w.name), services.map((s) => s.name)];
  };

  test.each<[string, string, readonly string[], readonly string[]]>([
    ["a uid", "Kubernetes//Pod/shop/web", ["web"], []],
    ["an address: the pod before an entry", "east/10.0.0.1", ["web"], []],
    ["an address: the pod that has it for itself", "east/10.0.0.2", ["other"], []],
    ["a service with its workloads", "shop/web.shop.svc.cluster.local", ["web"], ["web"]],
    ["a service by its address", "east/10.96.0.1", ["web"], ["web"]],
    ["another network", "west/10.0.0.1", [], []],
    ["nothing", "east/", [], []],
  ])("%s", (_, name, workloads, services) => expect(names(name)).toEqual([workloads, services]));

  test("workloads of a node", () => {
    expect(lookup.onNode("n1").map((w) => w.name)).toEqual(["web"]);
    expect(lookup.onNode("")).toEqual([]);
  });
});
