import { formatWorkload, serviceKey, type Trace } from "./keys.ts";
import type { LoadBalancing, LoadBalancingScope, Service, Workload } from "./model.ts";
import { type ServiceUse, resolveTargetPort } from "./target-port.ts";
import type { WorkloadStore } from "./workload-store.ts";

export interface BalanceQuestion {
  readonly service: Service;
  readonly source: Workload;
  /** The service port that was asked for. */
  readonly port: number;
  readonly use: ServiceUse;
  readonly trace?: Trace | null;
}

/** A workload that may be chosen, with the port to dial on it. */
export interface Candidate {
  readonly workload: Workload;
  readonly port: number;
}

function sameScope(scope: LoadBalancingScope, a: Workload, b: Workload): boolean {
  switch (scope) {
    case "REGION":
      return (a.locality?.region ?? "") === (b.locality?.region ?? "");
    case "ZONE":
      return (a.locality?.zone ?? "") === (b.locality?.zone ?? "");
    case "SUBZONE":
      return (a.locality?.subzone ?? "") === (b.locality?.subzone ?? "");
    case "NODE":
      return a.node === b.node;
    case "CLUSTER":
      return a.clusterId === b.clusterId;
    case "NETWORK":
      return a.network === b.network;
  }
}

/**
 * How well an endpoint fits: its leading scopes that equal the source's. When NETWORK comes first, an endpoint of the
 * same network outranks all others, and the others are still ordered among themselves.
 */
function rankOf(lb: LoadBalancing, source: Workload, endpoint: Workload): number {
  const scopes = lb.routingPreference;
  let rank = 0;
  for (const [i, scope] of scopes.entries()) {
    const networkFirst = i === 0 && scope === "NETWORK";
    if (sameScope(scope, source, endpoint)) rank += networkFirst ? scopes.length : 1;
    else if (!networkFirst) break;
  }
  return rank;
}

function byPreference(lb: LoadBalancing, source: Workload, all: readonly Candidate[]): readonly Candidate[] {
  if (lb.mode === "STRICT")
    return all.filter((c) => lb.routingPreference.every((scope) => sameScope(scope, source, c.workload)));
  if (lb.mode !== "FAILOVER") return all;
  const ranks = all.map((c) => rankOf(lb, source, c.workload));
  const best = Math.max(...ranks);
  return all.filter((_, i) => ranks[i] === best);
}

/** Without an address and a hostname, only a gateway of another network can reach it. */
const isReachable = (w: Workload, source: Workload): boolean =>
  w.addresses.length > 0 || w.hostname !== "" || (w.network !== source.network && w.networkGateway !== null);

/** The endpoints among which a connection is balanced: those that can be reached, serve the port, and rank best. */
export function balanceCandidates(store: WorkloadStore, q: BalanceQuestion): readonly Candidate[] {
  const key = serviceKey(q.service);
  const all: Candidate[] = [];
  for (const workload of store.endpoints(q.service)) {
    const port = resolveTargetPort({
      use: q.use,
      port: q.port,
      servicePorts: q.service.ports,
      endpointPorts: workload.services.get(key) ?? [],
      applicationTunnel: workload.applicationTunnel,
    });
    if (port !== null && isReachable(workload, q.source)) all.push({ workload, port });
  }
  const lb = q.service.loadBalancing;
  const chosen = lb === null || all.length === 0 ? all : byPreference(lb, q.source, all);
  q.trace?.(
    `service ${key} has ${store.endpoints(q.service).length} ready endpoints; ${all.length} serve port ${q.port}, ` +
      `${chosen.length} are candidates${lb === null || lb.mode === "UNSPECIFIED_MODE" ? "" : ` by ${lb.mode} ${lb.routingPreference.join(", ")}`}`,
  );
  return chosen;
}

/**
 * Picks one item at random by weight. Weights that are all zero choose none.
 * @param random uniform in [0, 1)
 */
export function pickWeighted<T>(items: readonly T[], weight: (item: T) => number, random: () => number): T | null {
  let total = 0;
  for (const item of items) total += weight(item);
  if (total <= 0) return null;
  let left = random() * total;
  let last: T | null = null;
  for (const item of items) {
    const w = weight(item);
    if (w <= 0) continue;
    if (left < w) return item;
    left -= w;
    last = item;
  }
  return last;
}

/** Chooses one endpoint of a service at random by capacity. @see dataplane 6.3 */
export function balance(store: WorkloadStore, q: BalanceQuestion, random: () => number): Candidate | null {
  const picked = pickWeighted(balanceCandidates(store, q), (c) => c.workload.capacity, random);
  q.trace?.(picked === null ? "no endpoint can be chosen" : `chosen: ${formatWorkload(picked.workload)}`);
  return picked;
}
