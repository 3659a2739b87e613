import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** One address of each family. */
export interface AddressPair {
  readonly v4: string;
  readonly v6: string;
}

/** A node: a network namespace that forwards between its pods and the fabric. */
export interface NodePlan {
  readonly name: string;
  /** From 1. */
  readonly index: number;
  /** Its address on the fabric. */
  readonly fabric: AddressPair;
  /** The blocks from which its pods get their addresses. */
  readonly podCidr: AddressPair;
  /** What its pods send everything to; the node's end of each pod's link carries it. */
  readonly gateway: AddressPair;
}

/** Who has which address. The same in every mesh, since each mesh lives in namespaces of its own. */
export interface TopologyPlan {
  readonly fabric: { readonly prefixV4: number; readonly prefixV6: number };
  /** The control plane's address on the fabric. */
  readonly control: AddressPair;
  readonly serviceCidr: AddressPair;
  readonly nodes: readonly NodePlan[];
}

/** A route that a node needs to reach the pods of another. */
export interface NodeRoute {
  readonly to: string;
  readonly via: string;
}

/** More would be no laptop mesh; the address plan itself would allow 200. */
export const MAX_NODES = 16;

/** The third byte of pod addresses is the node's index, so that an address tells its node at sight. */
export function planTopology(o: { readonly nodes: number }): Result<TopologyPlan> {
  if (!Number.isInteger(o.nodes) || o.nodes < 1 || o.nodes > MAX_NODES)
    return fail(
      new MeshError(
        Code.BadInput,
        `Cannot plan a mesh: ${o.nodes} is not a number of nodes between 1 and ${MAX_NODES}`,
      ),
    );
  return ok({
    fabric: { prefixV4: 24, prefixV6: 64 },
    control: { v4: "10.89.0.2", v6: "fd00:89::2" },
    serviceCidr: { v4: "10.96.0.0/16", v6: "fd00:10:96::/112" },
    nodes: Array.from({ length: o.nodes }, (_, i) => planNode(i + 1)),
  });
}

function planNode(index: number): NodePlan {
  const hex = index.toString(16);
  return {
    name: `node-${index}`,
    index,
    fabric: { v4: `10.89.0.${10 + index}`, v6: `fd00:89::${(0x10 + index).toString(16)}` },
    podCidr: { v4: `10.244.${index}.0/24`, v6: `fd00:244:${hex}::/64` },
    gateway: { v4: `10.244.${index}.1`, v6: `fd00:244:${hex}::1` },
  };
}

/** The routes of `node` to the pods of all other nodes. There is no other route: nothing leads outside. */
export function nodeRoutes(plan: TopologyPlan, node: NodePlan): readonly NodeRoute[] {
  return plan.nodes
    .filter((n) => n.index !== node.index)
    .flatMap((n) => [
      { to: n.podCidr.v4, via: n.fabric.v4 },
      { to: n.podCidr.v6, via: n.fabric.v6 },
    ]);
}

const FIRST_HOST = 2;
const LAST_HOST = 254;

/** The addresses of the pod with number `host` (2 to 254) on `node`. */
export function podAddresses(node: NodePlan, host: number): AddressPair {
  return {
    v4: `10.244.${node.index}.${host}`,
    v6: `fd00:244:${node.index.toString(16)}::${host.toString(16)}`,
  };
}

/**
 * The next free pod number after `last`, going round: a number just given back is the last to be given out again, so that a
 * late packet or a stale record of a dead pod does not meet a new one.
 * @returns null when all are in use
 */
export function nextHost(inUse: ReadonlySet<number>, last: number): number | null {
  const span = LAST_HOST - FIRST_HOST + 1;
  for (let step = 1; step <= span; step++) {
    const host = FIRST_HOST + ((Math.max(last, FIRST_HOST - 1) - FIRST_HOST + step) % span);
    if (!inUse.has(host)) return host;
  }
  return null;
}
