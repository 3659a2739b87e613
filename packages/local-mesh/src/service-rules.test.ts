import net from "node:net";
import { text } from "node:stream/consumers";
import { openNftables, socketFactory } from "@lateen/linux";
import { requireRoot } from "@lateen/testkit";
import { describe, expect, test } from "vitest";
import type { ServicePlan } from "./cluster-ips.ts";
import { openFabric } from "./fabric.ts";
import { connectIn } from "./readiness-probe.ts";
import { type ServingPod, endpointsOf } from "./service-endpoints.ts";
import { createServiceRouter } from "./service-router.ts";
import { SERVICE_TABLE, serviceRules } from "./service-rules.ts";
import { planTopology, podAddresses } from "./topology.ts";

function service(o: Partial<ServicePlan> = {}): ServicePlan {
  return {
    name: "web",
    namespace: "demo",
    headless: false,
    clusterIps: ["10.96.7.7"],
    selector: { app: "web" },
    ports: [{ protocol: "TCP", port: 80, targetPort: 8080 }],
    ...o,
  };
}
function pod(name: string, o: Partial<ServingPod> = {}): ServingPod {
  return { name, namespace: "demo", labels: { app: "web" }, ips: ["10.244.1.2"], ready: true, spec: {}, ...o };
}
const targets = (s: ServicePlan, pods: ServingPod[]): string[] =>
  s.ports.flatMap((p) => endpointsOf(s, p, pods).map((e) => `${e.pod.name}:${e.port}`));

describe("the pods behind a Service", () => {
  const named = { containers: [{ ports: [{ name: "http", containerPort: 9090 }] }] };
  const rows: readonly [string, ServicePlan, ServingPod[], string[]][] = [
    ["ready pods that its selector takes", service(), [pod("a"), pod("b", { labels: {} })], ["a:8080"]],
    ["not those that are not ready", service(), [pod("a", { ready: false })], []],
    ["not those of another namespace", service(), [pod("a", { namespace: "other" })], []],
    ["none without a selector", service({ selector: {} }), [pod("a")], []],
    [
      "at the port that the pod gives that name",
      service({ ports: [{ protocol: "TCP", port: 80, targetPort: "http" }] }),
      [pod("a", { spec: named }), pod("b")],
      ["a:9090"],
    ],
  ];
  for (const [name, s, pods, want] of rows) test(name, () => expect(targets(s, pods)).toEqual(want));
});

test("a rule for each pod, each with its fair share", () => {
  const [table] = serviceRules([service()], [pod("a"), pod("b"), pod("c")]).tables;
  const shares = table?.chains[0]?.rules.map((r) => r.find((e) => e.t === "numgen")?.modulus ?? 1);
  expect(shares).toEqual([3, 2, 1]);
});

test("a family that the pod does not have, and a protocol that nothing routes, give no rule", () => {
  const rules = (s: ServicePlan): number => serviceRules([s], [pod("a")]).tables[0]?.chains[0]?.rules.length ?? -1;
  expect(rules(service({ clusterIps: ["fd00:10:96::7"] }))).toBe(0);
  expect(rules(service({ ports: [{ protocol: "SCTP", port: 80, targetPort: 80 }] }))).toBe(0);
  expect(rules(service({ clusterIps: ["10.96.7.7", "fd00:10:96::7"] }))).toBe(1);
});

describe.skipIf(requireRoot())("on the running kernel", () => {
  for (const [family, vip] of [
    ["IPv4", "10.96.7.7"],
    ["IPv6", "fd00:10:96::7"],
  ] as const)
    test(`a pod reaches the pods of a Service on both nodes, ${family}`, async () => {
      const planned = planTopology({ nodes: 2 });
      if (!planned.ok) throw planned.error;
      const [one, two] = planned.value.nodes;
      if (one === undefined || two === undefined) throw new Error("no nodes");
      using fabric = await openFabric(planned.value);
      using client = await fabric.addPod(one, 2, podAddresses(one, 2));
      using near = await fabric.addPod(one, 3, podAddresses(one, 3));
      using far = await fabric.addPod(two, 2, podAddresses(two, 2));
      await using stack = new AsyncDisposableStack();
      for (const [name, p] of [
        ["near", near],
        ["far", far],
      ] as const) {
        const { fd } = socketFactory.listener({
          netns: p.netns.fd,
          address: { ip: "::", port: 8080 },
          dualStack: true,
          reusePort: false,
          transparent: "off",
          backlog: 8,
          mark: 0,
          keepAlive: null,
        });
        const server = net.createServer((socket) => void socket.end(name)).listen({ fd });
        stack.defer(() => void server.close());
      }
      const nodes = [fabric.node("node-1").fd, fabric.node("node-2").fd];
      const router = createServiceRouter(nodes);
      const pods = [pod("near", { ips: near.addresses }), pod("far", { ips: far.addresses })];
      const services = [service({ clusterIps: [vip] })];
      expect(router.update(services, pods)).toBeNull();
      const answers = await Promise.all(
        Array.from({ length: 30 }, () => text(connectIn(client.netns.fd, { ip: vip, port: 80 }))),
      );
      expect(new Set(answers)).toEqual(new Set(["near", "far"]));
      using nft = openNftables(nodes[0] ?? -1);
      expect(nft.read((n) => n === SERVICE_TABLE)).toEqual(serviceRules(services, pods));
      expect(router.update([], [])).toBeNull();
      expect(nft.read((n) => n === SERVICE_TABLE).tables[0]?.chains[0]?.rules).toEqual([]);
    });
});
