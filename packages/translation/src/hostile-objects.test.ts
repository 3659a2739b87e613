import { describe, expect, test } from "vitest";
import { parseResource } from "@lateen/resources";
import { rig } from "./mesh.test.support.ts";
import { pod, policy, portsOf, service, serviceEntry, toldBy, workloadEntry } from "./objects.test.support.ts";

describe("objects that are larger or stranger than any should be", () => {
  test("10,000 ports of a service are told, and are nobody else's", () => {
    const r = rig();
    const ports = Array.from({ length: 10_000 }, (_, i) => ({ name: `p-${i}`, port: i + 1, targetPort: i + 1 }));
    r.put(pod("web"), pod("other", { ip: "10.0.0.2" }), service("other"));
    const told = toldBy(r, () => r.put(service("web", { spec: { ports } })));
    expect(told).toEqual(["Kubernetes//Pod/shop/web", "shop/web.shop.svc.cluster.local"]);
    const workload = r.model.workloads.get("Kubernetes//Pod/shop/web")!;
    expect(portsOf(workload)).toHaveLength(10_000);
  });

  test("a policy of nearly 1 MB becomes one policy", () => {
    const r = rig();
    const principals = Array.from({ length: 9_000 }, (_, i) => `cluster.local/ns/${"n".repeat(60)}/sa/account-${i}`);
    r.put(policy("big", { rules: [{ from: [{ source: { principals } }] }] }));
    expect(r.model.authorizations.get("shop/big")?.rules[0]?.clauses[0]?.matches[0]?.principals).toHaveLength(9_000);
    expect(r.model.authorizations.size).toBe(1);
  });

  test.each<[string, object]>([
    ["a label with a line break", pod("web", { labels: { x: "a\nb" } })],
    ["a name with a slash", service("a/b")],
    ["a host with a slash", serviceEntry("se", { hosts: ["shop/a"] })],
    ["an annotation of 100 kB", service("web", { metadata: { annotations: { "a.istio.io/b": "x".repeat(100_000) } } })],
  ])("%s is refused by itself", (_, object) => {
    expect(parseResource(object).t).toBe("invalid");
  });

  test("names of what every object of JavaScript has are names like others", () => {
    const r = rig();
    const labels = { constructor: "x", toString: "y", hasOwnProperty: "z" };
    r.put(pod("web", { labels }), service("web", { spec: { selector: labels } }));
    r.put(workloadEntry("vm", { address: "10.1.0.1", labels: { app: "other" }, ports: { constructor: 1 } }));
    r.put(service("other", { spec: { ports: [{ name: "tostring", port: 80 }] } }));
    expect(portsOf(r.model.workloads.get("Kubernetes//Pod/shop/web"))).toEqual(["web 80 → 8080"]);
    expect(portsOf(r.model.workloads.get("Kubernetes/networking.istio.io/WorkloadEntry/shop/vm"))).toEqual([
      "other 80 → 80",
    ]);
  });

  test.each<[string, object]>([
    ["an address that is none", pod("web", { ip: "10.0.0.999" })],
    ["no address", pod("web", { status: { podIP: "" } })],
    ["an end", pod("web", { status: { phase: "Failed" } })],
  ])("a pod with %s is not told, and the others are", (_, object) => {
    const r = rig();
    r.put(object, pod("other", { ip: "10.0.0.2" }));
    expect(r.model.workloads.values().map((w) => w.name)).toEqual(["other"]);
  });

  test("values that an API server would have refused do not stop anything", () => {
    const r = rig();
    r.put(
      service("web", {
        spec: { clusterIP: "nonsense", clusterIPs: ["10.96.0.300", ""], trafficDistribution: "Sideways" },
      }),
      serviceEntry("se", {
        resolution: "NONE",
        endpoints: [{ address: "not an address" }, { address: "" }, { address: "" }],
      }),
      workloadEntry("vm", { address: "999.1.1.1", locality: "a/b/c/d/e", weight: 0 }),
    );
    expect(r.model.services.get("shop/web.shop.svc.cluster.local")).toMatchObject({
      addresses: [],
      loadBalancing: null,
    });
    const places = r.model.workloads.values().map((w) => [w.name, ...w.addresses, w.hostname]);
    expect(places).toEqual([
      ["se", ""],
      ["se", "not an address"],
      ["vm", "999.1.1.1"],
    ]);
  });
});
