import fs from "node:fs";
import { ipFamily } from "@lateen/addresses";
import { Code, MeshError } from "@lateen/errors";
import { sleep } from "@lateen/lifecycle";
import { type Netns, type Rtnetlink, createNetns, inNetns, openRtnetlink } from "@lateen/linux";
import { type AddressPair, type NodePlan, type TopologyPlan, nodeRoutes } from "./topology.ts";

/** The network of a mesh: a bridge, the control plane's namespace and one per node, all held by descriptors alone. */
export interface Fabric extends Disposable {
  /** Where the bridge is, and every packet between nodes passes. */
  readonly bridge: Netns;
  readonly control: Netns;
  /** @throws MeshError BAD_INPUT for a name that is no node's */
  node(name: string): Netns;
  /** Gives a pod its namespace, joined to its node. */
  addPod(node: NodePlan, host: number, addresses: AddressPair): Promise<PodNetwork>;
}

/** A pod's namespace and its link to the node; disposal takes both away. */
export interface PodNetwork extends Disposable {
  readonly netns: Netns;
  readonly addresses: readonly string[];
}

export const BRIDGE = "mesh0";
/** Name of a node's link to the bridge, inside the node. */
export const FABRIC_LINK = "fab0";

/** A kernel without IPv6 is an ordinary machine: then nothing here has IPv6. */
function hasIpv6(): boolean {
  return fs.existsSync("/proc/sys/net/ipv6");
}

/**
 * Makes the namespaces of a mesh. What was made is taken away again if a later step fails.
 * @throws MeshError UNAVAILABLE or DENIED when the kernel refuses
 */
export async function openFabric(plan: TopologyPlan): Promise<Fabric> {
  const stack = new DisposableStack();
  try {
    return await buildFabric(plan, stack);
  } catch (e) {
    stack.dispose();
    throw e;
  }
}

async function buildFabric(plan: TopologyPlan, stack: DisposableStack): Promise<Fabric> {
  const ipv6 = hasIpv6();
  const made = (): Netns => stack.use(newNamespace(ipv6));
  const bridge = made();
  using bridgeLinks = openRtnetlink(bridge.fd);
  const bridgeIndex = bridgeLinks.addBridge(BRIDGE, { up: true });
  const join = (netns: Netns, name: string, addresses: AddressPair): void => {
    const port = `to-${name}`;
    bridgeLinks.addVeth({ name: port, peer: { name: FABRIC_LINK, netns: netns.fd } });
    bridgeLinks.setLink(port, { master: bridgeIndex, up: true });
    using links = openRtnetlink(netns.fd);
    const { index } = links.requireLink(FABRIC_LINK);
    for (const [ip, prefixLength] of pairs(addresses, plan.fabric.prefixV4, plan.fabric.prefixV6, ipv6))
      links.addAddress({ index, ip, prefixLength });
    links.setLink(index, { up: true });
  };
  const control = made();
  join(control, "control", plan.control);
  const nodes = new Map<string, Netns>();
  for (const node of plan.nodes) {
    const netns = made();
    join(netns, node.name, node.fabric);
    forward(netns, ipv6);
    route(netns, plan, node, ipv6);
    nodes.set(node.name, netns);
  }
  await untilRunning(bridgeLinks, ["to-control", ...plan.nodes.map((n) => `to-${n.name}`)]);
  const nodeOf = (name: string): Netns => {
    const netns = nodes.get(name);
    if (netns === undefined)
      throw new MeshError(Code.BadInput, `Cannot find node "${name}": the mesh has no such node`);
    return netns;
  };
  return {
    bridge,
    control,
    node: nodeOf,
    addPod: (node, host, addresses) => addPod(nodeOf(node.name), node, host, pairs(addresses, 32, 128, ipv6)),
    [Symbol.dispose]: () => stack.dispose(),
  };
}

type Pair = readonly [ip: string, prefixLength: number];

function pairs(a: AddressPair, v4: number, v6: number, ipv6: boolean): readonly Pair[] {
  return ipv6
    ? [
        [a.v4, v4],
        [a.v6, v6],
      ]
    : [[a.v4, v4]];
}

function newNamespace(ipv6 = hasIpv6()): Netns {
  const netns = createNetns();
  inNetns(netns.fd, () => {
    for (const name of ["all", "default"]) {
      // A proxy speaks with its clients' addresses: a check of the reverse path would drop its packets on some machines.
      fs.writeFileSync(`/proc/sys/net/ipv4/conf/${name}/rp_filter`, "0");
      // Every address here is given out once; looking for a second owner would hold IPv6 up for two seconds.
      if (ipv6) fs.writeFileSync(`/proc/sys/net/ipv6/conf/${name}/accept_dad`, "0");
    }
  });
  using links = openRtnetlink(netns.fd);
  links.setLink("lo", { up: true });
  return netns;
}

function forward(netns: Netns, ipv6: boolean): void {
  inNetns(netns.fd, () => {
    fs.writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
    if (ipv6) fs.writeFileSync("/proc/sys/net/ipv6/conf/all/forwarding", "1");
  });
}

function route(netns: Netns, plan: TopologyPlan, node: NodePlan, ipv6: boolean): void {
  using links = openRtnetlink(netns.fd);
  const { index } = links.requireLink(FABRIC_LINK);
  for (const { to, via } of nodeRoutes(plan, node)) {
    if (ipFamily(via) === "ipv6" && !ipv6) continue;
    const [destination = "", length = ""] = to.split("/");
    links.addRoute({ destination, prefixLength: Number(length), gateway: via, index });
  }
}

/** The pod's end has a host address and sends everything to the node, whose end has the gateway's address: no shared subnet. */
async function addPod(nodeNetns: Netns, node: NodePlan, host: number, addresses: readonly Pair[]): Promise<PodNetwork> {
  const stack = new DisposableStack();
  try {
    const netns = stack.use(newNamespace());
    using nodeLinks = openRtnetlink(nodeNetns.fd);
    const name = `pod${host}`;
    nodeLinks.addVeth({ name, peer: { name: "eth0", netns: netns.fd } });
    stack.defer(() => removeLink(nodeNetns, name));
    nodeLinks.setLink(name, { up: true });
    using podLinks = openRtnetlink(netns.fd);
    const near = nodeLinks.requireLink(name).index;
    const far = podLinks.requireLink("eth0").index;
    podLinks.setLink(far, { up: true });
    for (const [ip, prefixLength] of addresses) {
      const gateway = ipFamily(ip) === "ipv4" ? node.gateway.v4 : node.gateway.v6;
      nodeLinks.addAddress({ index: near, ip: gateway, prefixLength });
      nodeLinks.addRoute({ destination: ip, prefixLength, index: near });
      addPodAddress(podLinks, { index: far, ip, prefixLength, gateway });
    }
    await untilRunning(nodeLinks, [name]);
    const owned = stack.move();
    return { netns, addresses: addresses.map(([ip]) => ip), [Symbol.dispose]: () => owned.dispose() };
  } catch (e) {
    stack.dispose();
    throw e;
  }
}

function addPodAddress(
  links: Rtnetlink,
  o: { readonly index: number; readonly ip: string; readonly prefixLength: number; readonly gateway: string },
): void {
  const { index, ip, prefixLength, gateway } = o;
  links.addAddress({ index, ip, prefixLength });
  links.addRoute({ destination: gateway, prefixLength, index });
  const everything = ipFamily(ip) === "ipv4" ? "0.0.0.0" : "::";
  links.addRoute({ destination: everything, prefixLength: 0, gateway, index });
}

const RUNNING_DEADLINE_MS = 3_000;
const RUNNING_POLL_MS = 2;

/** A link carries packets only a moment after it was set up; one sent before is lost, and TCP waits a second to repeat it. */
async function untilRunning(links: Rtnetlink, names: readonly string[]): Promise<void> {
  const endMs = performance.now() + RUNNING_DEADLINE_MS;
  for (const name of names)
    while (!links.requireLink(name).running) {
      if (performance.now() > endMs)
        throw new MeshError(
          Code.Timeout,
          `Cannot bring up link "${name}": it carries nothing after ${RUNNING_DEADLINE_MS} ms`,
        );
      await sleep(RUNNING_POLL_MS);
    }
}

/** Taking away one end of a link takes the other, which a namespace that lingers in TIME_WAIT would keep for a while. */
function removeLink(netns: Netns, name: string): void {
  using links = openRtnetlink(netns.fd);
  if (links.link(name) !== null) links.deleteLink(name);
}
