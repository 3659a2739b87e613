import { type SocketAddress, ipFamily } from "@lateen/addresses";
import { formatIdentity } from "@lateen/identity";
import { formatGatewayDestination, formatWorkload, serviceKey, type Trace } from "./keys.ts";
import { balance } from "./load-balance.ts";
import type { GatewayAddress, Service, Workload } from "./model.ts";
import type { ServiceUse } from "./target-port.ts";
import type { WorkloadStore } from "./workload-store.ts";

/** A workload chosen to be reached, the service it was chosen by (if any), and the port to dial on it. */
export interface Upstream {
  readonly workload: Workload;
  readonly service: Service | null;
  readonly port: number;
  /** The address that was asked for, which the choice of the workload's own follows. */
  readonly asked: string;
}

/** What every step of a decision needs. */
export interface RouteContext {
  readonly store: WorkloadStore;
  readonly source: Workload;
  readonly random: () => number;
  readonly trace: Trace | null;
}

function fromService(ctx: RouteContext, service: Service, to: SocketAddress, use: ServiceUse): Upstream | null {
  if (service.loadBalancing?.mode === "PASSTHROUGH") {
    ctx.trace?.(`service ${serviceKey(service)} passes connections through`);
    return null;
  }
  const q = { service, source: ctx.source, port: to.port, use, trace: ctx.trace };
  const picked = balance(ctx.store, q, ctx.random);
  return picked === null ? null : { workload: picked.workload, service, port: picked.port, asked: to.ip };
}

/** Service by VIP, then by block, then workload by address; a service without a usable endpoint ends the search. */
export function findUpstream(
  ctx: RouteContext,
  network: string,
  to: SocketAddress,
  use: ServiceUse = "standard",
): Upstream | null {
  const service = ctx.store.serviceByVip(network, to.ip, ctx.source.namespace);
  if (service !== null) return fromService(ctx, service, to, use);
  const workload = ctx.store.workloadByIp(network, to.ip);
  if (workload === null) return null;
  ctx.trace?.(`${to.ip} is the address of workload ${formatWorkload(workload)}`);
  return { workload, service: null, port: to.port, asked: to.ip };
}

/**
 * Resolves a waypoint or network gateway to one workload, or null: nothing stands in for one that is unavailable.
 * @param asked the address that the connection asked for; a service's endpoint is dialled in its family
 * @see dataplane 6.4
 */
export function resolveGateway(
  ctx: RouteContext,
  gateway: GatewayAddress,
  asked: string,
  use: ServiceUse,
): Upstream | null {
  const { destination, hboneMtlsPort: port } = gateway;
  ctx.trace?.(
    `resolve ${use === "waypoint" ? "waypoint" : "network gateway"} ${formatGatewayDestination(destination)}`,
  );
  if (destination.t === "address") return findUpstream(ctx, destination.network, { ip: destination.ip, port }, use);
  const found = ctx.store.findHostname(destination.namespace, destination.hostname);
  if (found === null) return null;
  if (found.t === "service") return fromService(ctx, found.service, { ip: asked, port }, use);
  return { workload: found.workload, service: null, port, asked };
}

/** SPIFFE URIs that the upstream may present: those of its service, then its own. @see dataplane 5.6 */
export function expectedIdentities(upstream: Upstream): readonly string[] {
  const own = formatIdentity(upstream.workload.identity);
  const sans = upstream.service?.subjectAltNames ?? [];
  return sans.includes(own) ? sans : [...sans, own];
}

export type AddressChoice =
  | { readonly t: "ip"; readonly ip: string }
  | { readonly t: "hostname"; readonly hostname: string }
  | { readonly t: "gateway-only" }
  | { readonly t: "none" };

function allowed(service: Service | null, ip: string): boolean {
  const families = service?.ipFamilies;
  if (families === "IPV4_ONLY") return ipFamily(ip) === "ipv4";
  return families !== "IPV6_ONLY" || ipFamily(ip) === "ipv6";
}

/** The address to dial: the one asked for if it is its own, else one that the service's families allow. @see dataplane 6.3 */
export function chooseAddress(upstream: Upstream): AddressChoice {
  const { workload, service, asked } = upstream;
  if (workload.addresses.includes(asked)) return { t: "ip", ip: asked };
  const usable = workload.addresses.filter((ip) => allowed(service, ip));
  const ip = usable.find((x) => ipFamily(x) === ipFamily(asked)) ?? usable[0];
  if (ip !== undefined) return { t: "ip", ip };
  if (workload.hostname !== "") return { t: "hostname", hostname: workload.hostname };
  return workload.networkGateway === null ? { t: "none" } : { t: "gateway-only" };
}
