import { describe, expect, test } from "vitest";
import { rig } from "./mesh.test.support.ts";
import { behaviourOf } from "./model-options.ts";
import { pod, service, serviceEntry } from "./objects.test.support.ts";

function at(version: string): ReturnType<typeof rig> {
  const behaviour = behaviourOf(version);
  if (!behaviour.ok) throw behaviour.error;
  return rig({ behaviour: behaviour.value });
}

describe("an older release", () => {
  test("that nobody knows is refused", () => {
    expect(behaviourOf("1.2")).toMatchObject({ ok: false, error: { code: "BAD_INPUT" } });
    expect(["", "1.31", "1.25", "1.21", "1.20"].every((v) => behaviourOf(v).ok)).toBe(true);
  });

  test.each([
    ["1.31", ["host", "web"], "POD", ["10.96.0.1", "fd00::1"], ["b.example.com"]],
    ["1.21", ["web"], "DEPLOYMENT", ["10.96.0.1", "203.0.113.1"], []],
  ] as const)("%s tells what it told", (version, pods, type, addresses, hostnames) => {
    const r = at(version);
    const metadata = {
      labels: { app: "web", "pod-template-hash": "abc" },
      generateName: "web-abc-",
      ownerReferences: [{ kind: "ReplicaSet", name: "web-abc", controller: true }],
    };
    r.put(pod("web", { metadata }), pod("host", { spec: { hostNetwork: true } }));
    const status = { loadBalancer: { ingress: [{ ip: "203.0.113.1" }] } };
    r.put({ ...service("web", { spec: { clusterIPs: ["10.96.0.1", "fd00::1"] } }), status });
    r.put(serviceEntry("se", { resolution: "DNS", endpoints: [{ address: "b.example.com" }] }));
    const workloads = r.model.workloads.values();
    expect(workloads.filter((w) => w.uid.includes("//Pod/")).map((w) => w.name)).toEqual(pods);
    expect(r.model.workloads.get("Kubernetes//Pod/shop/web")).toMatchObject({
      workloadType: type,
      workloadName: "web",
    });
    expect(r.model.services.get("shop/web.shop.svc.cluster.local")?.addresses.map((a) => a.ip)).toEqual(addresses);
    expect(workloads.flatMap((w) => w.hostname || [])).toEqual(hostnames);
  });

  test("1.20 has no other names", () => {
    const alias = service("a", { spec: { type: "ExternalName", externalName: "example.com", selector: {} } });
    const count = (version: string): number => {
      const r = at(version);
      r.put(alias);
      return r.model.externalNames.size;
    };
    expect([count("1.20"), count("1.21")]).toEqual([0, 1]);
  });
});
