import { type SocketAddress, formatSocketAddress } from "@lateen/addresses";
import { type SpiffeIdentity, formatIdentity } from "@lateen/identity";
import { type Connection, type Explanation, type PolicyStore, explainDecision } from "@lateen/policy";
import {
  type OutboundRoute,
  type Workload,
  type WorkloadStore,
  describeRoute,
  formatWorkload,
  resolveInbound,
  routeOutbound,
} from "@lateen/workload-model";

/** What the node proxies know, as far as one connection asks for it. */
export interface MeshView {
  readonly workloads: WorkloadStore;
  readonly policies: PolicyStore;
}

export interface ConnectionQuestion {
  readonly from: Workload;
  /** What the application dials. */
  readonly to: SocketAddress;
  /** Uniform in [0, 1): which endpoint is picked where several could be. */
  readonly random: () => number;
}

/** One end of the connection. */
export interface ExplainedEnd {
  readonly workload: string | null;
  readonly identity: string | null;
  readonly node: string | null;
  readonly captured: boolean;
}

/** Everything that is decided about one connection, in the order in which it is decided. */
export interface ExplainedConnection {
  readonly from: ExplainedEnd;
  readonly dialled: string;
  readonly to: ExplainedEnd;
  readonly path: {
    readonly how: "plain" | OutboundRoute["t"];
    readonly nextHop: string | null;
    readonly authority: string | null;
    /** SPIFFE URIs that the peer may present. */
    readonly expected: readonly string[];
    readonly reason: string;
    readonly steps: readonly string[];
  };
  /** Why the receiving proxy refuses before policy is asked, null when it does not. */
  readonly refused: string | null;
  /** Null when no proxy judges: the receiver is not captured, or the connection never leaves. */
  readonly judged: { readonly connection: Connection; readonly explanation: Explanation } | null;
  readonly verdict: { readonly allowed: boolean; readonly why: string };
}

const isCaptured = (w: Workload | null): boolean => w?.tunnelProtocol === "HBONE";

function end(workload: Workload | null): ExplainedEnd {
  if (workload === null) return { workload: null, identity: null, node: null, captured: false };
  const captured = isCaptured(workload);
  return {
    workload: formatWorkload(workload),
    identity: captured ? formatIdentity(workload.identity) : null,
    node: workload.node || null,
    captured,
  };
}

interface Arrival {
  readonly workload: Workload | null;
  readonly identity: SpiffeIdentity | null;
  readonly destination: SocketAddress;
  readonly refused: string | null;
}

/** A sender that no proxy serves dials as it is; the kernel of its node picks an endpoint of a service. */
function plainRoute(view: MeshView, q: ConnectionQuestion): OutboundRoute {
  // The same choice of endpoint as a proxy makes, without its tunnel.
  const source = { ...q.from, tunnelProtocol: "NONE" } as const;
  const route = routeOutbound(view.workloads, { source, destination: q.to, network: q.from.network, random: q.random });
  if (route.t !== "hbone" || route.via !== "direct") return route;
  const to = route.authority;
  const at = to.lastIndexOf(":");
  const ip = to.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  return {
    t: "tcp",
    to: { ip, port: Number(to.slice(at + 1)) },
    workload: route.workload,
    service: route.service,
    reason: "the sender is not in the mesh, so nothing tunnels its connection",
  };
}

function arrive(view: MeshView, q: ConnectionQuestion, route: OutboundRoute): Arrival | null {
  if (route.t === "tcp") {
    const workload = route.workload ?? view.workloads.workloadByIp(q.from.network, route.to.ip);
    return { workload, identity: null, destination: route.to, refused: null };
  }
  if (route.t !== "hbone") return null;
  const { workload } = route;
  const target = resolveInbound(view.workloads, { own: workload, authority: route.authority, localIp: route.to.ip });
  const identity = q.from.identity;
  if (target.t === "refuse")
    return { workload, identity, destination: route.to, refused: `${target.status}: ${target.error}` };
  return { workload, identity, destination: target.destination, refused: null };
}

function verdictOf(
  route: OutboundRoute,
  arrival: Arrival | null,
  explanation: Explanation | null,
): ExplainedConnection["verdict"] {
  if (route.t === "deny") return { allowed: false, why: route.error };
  if (arrival === null) return { allowed: true, why: "decided beyond this mesh" };
  if (arrival.refused !== null) return { allowed: false, why: arrival.refused };
  if (explanation === null && arrival.workload === null)
    return { allowed: true, why: "nobody judges: no workload has this address (a local mesh has no route out)" };
  if (explanation === null) return { allowed: true, why: "nobody judges: the receiver is not in the mesh" };
  return { allowed: explanation.decision.allow, why: explanation.decision.reason };
}

/**
 * Who the ends of a connection are, which path it takes and what each policy says: by the functions that the proxies run, with
 * their steps written down.
 */
export function explainConnection(view: MeshView, q: ConnectionQuestion): ExplainedConnection {
  const steps: string[] = [];
  const captured = isCaptured(q.from);
  const route = captured
    ? routeOutbound(view.workloads, {
        source: q.from,
        destination: q.to,
        network: q.from.network,
        random: q.random,
        trace: (step) => steps.push(step),
      })
    : plainRoute(view, q);
  const arrival = arrive(view, q, route);
  const judges = arrival?.workload ?? null;
  const judged =
    arrival === null || judges === null || arrival.refused !== null || !isCaptured(judges)
      ? null
      : judge(view, judges, {
          identity: arrival.identity,
          source: { ip: q.from.addresses[0] ?? "0.0.0.0", port: 0 },
          destination: arrival.destination,
        });
  return {
    from: end(q.from),
    dialled: formatSocketAddress(q.to),
    to: end(judges),
    path: {
      how: captured ? route.t : "plain",
      nextHop: "to" in route ? formatSocketAddress(route.to) : null,
      authority: "authority" in route ? route.authority : null,
      expected: "expected" in route ? route.expected : [],
      reason: describeRoute(route),
      steps,
    },
    refused: arrival?.refused ?? null,
    judged,
    verdict: verdictOf(route, arrival, judged?.explanation ?? null),
  };
}

function judge(
  view: MeshView,
  workload: Workload,
  connection: Connection,
): { readonly connection: Connection; readonly explanation: Explanation } {
  return { connection, explanation: explainDecision(view.policies.applicable(workload), connection) };
}
