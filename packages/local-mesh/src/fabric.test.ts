import net from "node:net";
import { text } from "node:stream/consumers";
import { inNetns, openRtnetlink, socketFactory } from "@lateen/linux";
import { requireRoot } from "@lateen/testkit";
import { describe, expect, test } from "vitest";
import { type Fabric, type PodNetwork, openFabric } from "./fabric.ts";
import { planTopology, podAddresses } from "./topology.ts";

const planned = planTopology({ nodes: 2 });
if (!planned.ok) throw planned.error;
const plan = planned.value;
const [one, two] = plan.nodes;
if (one === undefined || two === undefined) throw new Error("no nodes");

function pod(fabric: Fabric, node: typeof one, host: number): Promise<PodNetwork> {
  if (node === undefined) throw new Error("no node");
  return fabric.addPod(node, host, podAddresses(node, host));
}

/** Connects from one namespace to another. @returns the address that the server saw */
async function crosses(from: number, to: { fd: number; ip: string }): Promise<string> {
  const common = { mark: 0, keepAlive: null };
  const address = { ip: to.ip, port: 7_777 };
  const { fd } = socketFactory.listener({
    ...common,
    netns: to.fd,
    address,
    dualStack: false,
    reusePort: false,
    transparent: "off",
    backlog: 1,
  });
  const server = net.createServer((socket) => void socket.end(socket.remoteAddress ?? "")).listen({ fd });
  try {
    const socket = inNetns(
      from,
      () =>
        new net.Socket({
          fd: socketFactory.client({ ...common, netns: from, to: address, from: null, timeoutMs: 2_000 }),
        }),
    );
    socket.connect(address.port, address.ip);
    socket.setTimeout(2_000, () => socket.destroy(new Error("no answer within 2 s")));
    return await text(socket);
  } finally {
    server.close();
  }
}

describe.skipIf(requireRoot())("the fabric on the running kernel", () => {
  for (const family of [0, 1] as const) {
    const name = family === 0 ? "IPv4" : "IPv6";
    test(`pods reach each other over ${name}, on the same node and across nodes, with their own addresses`, async () => {
      using fabric = await openFabric(plan);
      using a = await pod(fabric, one, 2);
      using b = await pod(fabric, one, 3);
      using c = await pod(fabric, two, 2);
      const own = a.addresses[family];
      for (const target of [b, c])
        expect(await crosses(a.netns.fd, { fd: target.netns.fd, ip: target.addresses[family] ?? "" })).toBe(own);
    });
  }

  test("nodes and the control plane share the fabric", async () => {
    using fabric = await openFabric(plan);
    const got = await crosses(fabric.node("node-2").fd, { fd: fabric.control.fd, ip: plan.control.v4 });
    expect(got).toBe(plan.nodes[1]?.fabric.v4);
  });

  test("nothing leads outside", async () => {
    using fabric = await openFabric(plan);
    using a = await pod(fabric, one, 2);
    for (const netns of [fabric.bridge, fabric.control, fabric.node("node-1")]) {
      using links = openRtnetlink(netns.fd);
      for (const family of ["ipv4", "ipv6"] as const)
        expect(links.routes(family, 254).filter((r) => r.prefixLength === 0)).toEqual([]);
    }
    expect(a.addresses).toHaveLength(2);
  });

  test("a pod taken away leaves its number free at once", async () => {
    using fabric = await openFabric(plan);
    for (let i = 0; i < 3; i++) {
      using again = await pod(fabric, one, 2);
      expect(again.addresses[0]).toBe("10.244.1.2");
    }
    using links = openRtnetlink(fabric.node("node-1").fd);
    expect(
      links
        .links()
        .map((l) => l.name)
        .filter((n) => n.startsWith("pod")),
    ).toEqual([]);
  });

  test("the machine's own links are as before", async () => {
    using links = openRtnetlink(null);
    const before = links.links().map((l) => l.name);
    using fabric = await openFabric(plan);
    using _pod = await pod(fabric, one, 2);
    expect(links.links().map((l) => l.name)).toEqual(before);
    expect(fabric.control.fd).toBeGreaterThan(0);
  });
});
