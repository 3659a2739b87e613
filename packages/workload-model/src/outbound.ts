import { type SocketAddress, formatSocketAddress } from "@lateen/addresses";
import { formatIdentity } from "@lateen/identity";
import { formatGatewayDestination, formatWorkload, serviceKey, type Trace } from "./keys.ts";
import { pickWeighted } from "./load-balance.ts";
import type { GatewayAddress, Service, Workload } from "./model.ts";
import {
  type RouteContext,
  type Upstream,
  chooseAddress,
  expectedIdentities,
  findUpstream,
  resolveGateway,
} from "./upstream.ts";
import type { FoundAddress, WorkloadStore } from "./workload-store.ts";

/** The port of HBONE in every pod. */
const HBONE_PORT = 15_008;
const PROXY_PORTS: ReadonlySet<number> = new Set([15_001, 15_006, HBONE_PORT]);

/** A captured connection that asks where to go. */
export interface OutboundQuery {
  /** The workload of the pod that connects. */
  readonly source: Workload;
  /** The address it connects from; without it, any of its own. */
  readonly sourceIp?: string;
  /** The original destination. */
  readonly destination: SocketAddress;
  /** The network of this proxy. */
  readonly network: string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Never dialled on loopback; default: the proxy's own ports. */
  readonly proxyPorts?: ReadonlySet<number>;
  readonly trace?: Trace | null;
}

interface Chosen {
  /** The workload that the connection is for, as logs and metrics name it; null: nobody we know. */
  readonly workload: Workload | null;
  /** The service that was asked for; null when none was. */
  readonly service: Service | null;
  /** Why this path, in words. */
  readonly reason: string;
}

export interface HboneRoute extends Chosen {
  readonly t: "hbone";
  readonly via: "direct" | "waypoint";
  /** The address to dial. */
  readonly to: SocketAddress;
  /** `:authority` of the CONNECT request. */
  readonly authority: string;
  /** SPIFFE URIs that the peer may present. */
  readonly expected: readonly string[];
  readonly workload: Workload;
}

export interface DoubleHboneRoute extends Chosen {
  readonly t: "double-hbone";
  /** The gateway's address. */
  readonly to: SocketAddress;
  /** `:authority` of both CONNECT requests. */
  readonly authority: string;
  /** SPIFFE URIs that the gateway may present. */
  readonly expected: readonly string[];
  /** SPIFFE URIs that the far end may present; empty: nobody, the connection must fail. */
  readonly innerExpected: readonly string[];
  readonly gateway: Workload;
  readonly workload: Workload;
}

export interface TcpRoute extends Chosen {
  readonly t: "tcp";
  readonly to: SocketAddress;
}

/** The chosen workload has only a hostname: resolve it, then ask `withIp`. */
export interface ResolveRoute extends Chosen {
  readonly t: "resolve";
  readonly hostname: string;
  /** The family to prefer among the answers. */
  readonly family: "ipv4" | "ipv6";
  withIp(ip: string): HboneRoute | TcpRoute;
}

export interface DeniedRoute {
  readonly t: "deny";
  /** As ztunnel words it (dataplane 11.4). */
  readonly error: string;
}

export type OutboundRoute = HboneRoute | DoubleHboneRoute | TcpRoute | ResolveRoute | DeniedRoute;

interface Search extends RouteContext {
  readonly query: OutboundQuery;
}

const deny = (error: string): DeniedRoute => ({ t: "deny", error });
const isLoopback = (ip: string): boolean => ip.startsWith("127.") || ip === "::1";

/** Samples the weighted waypoints of a service; null when there are none, or all weights are zero. */
export function pickWeightedWaypoint(service: Service, random: () => number): GatewayAddress | null {
  return pickWeighted(service.weightedWaypoints, (w) => w.weight, random)?.destination ?? null;
}

/** Through the gateway of the upstream's network, to the service of that name over there. */
function throughGateway(s: Search, upstream: Upstream, service: Service | null): OutboundRoute {
  const { workload } = upstream;
  const asked = s.query.destination;
  s.trace?.(`${formatWorkload(workload)} is on network "${workload.network}", not on "${s.source.network}"`);
  if (service === null) return deny(`no service for target address: ${formatSocketAddress(asked)}`);
  if (workload.networkGateway === null)
    return deny(`no valid routing destination for workload: ${formatWorkload(workload)}`);
  const gateway = resolveGateway(s, workload.networkGateway, asked.ip, "standard");
  const address = gateway === null ? null : chooseAddress(gateway);
  if (gateway === null || address?.t !== "ip")
    return deny(`unknown network gateway: ${formatGatewayDestination(workload.networkGateway.destination)}`);
  return {
    t: "double-hbone",
    to: { ip: address.ip, port: gateway.port },
    authority: `${service.hostname}:${asked.port}`,
    expected: expectedIdentities(gateway),
    innerExpected: upstream.service?.subjectAltNames ?? [],
    gateway: gateway.workload,
    workload,
    service,
    reason: "the destination is on another network, reached through its gateway",
  };
}

function throughWaypoint(s: Search, reference: GatewayAddress, service: Service | null): OutboundRoute {
  const unknown = deny(`unknown waypoint: ${formatGatewayDestination(reference.destination)}`);
  const waypoint = resolveGateway(s, reference, s.query.destination.ip, "waypoint");
  if (waypoint === null) return unknown;
  if (service !== null && waypoint.workload.network !== s.source.network) return throughGateway(s, waypoint, service);
  const address = chooseAddress(waypoint);
  if (address.t !== "ip") return unknown;
  return {
    t: "hbone",
    via: "waypoint",
    to: { ip: address.ip, port: waypoint.port },
    authority: formatSocketAddress(s.query.destination),
    expected: expectedIdentities(waypoint),
    workload: waypoint.workload,
    service,
    reason: service === null ? "the destination workload has a waypoint" : "the service has a waypoint",
  };
}

function passthrough(s: Search, known: FoundAddress | null): OutboundRoute {
  const { destination } = s.query;
  const service = known?.t === "service" ? known.service : null;
  if (service !== null && service.loadBalancing?.mode !== "PASSTHROUGH")
    return deny(`no healthy upstream: ${formatSocketAddress(destination)}`);
  const reason =
    service === null ? "nobody in the mesh owns the address" : "the service passes connections through as they are";
  return { t: "tcp", to: destination, workload: null, service, reason };
}

/** Whether the connection comes from the waypoint of the workload it goes to: the waypoint must not call itself. */
function isFromWaypoint(s: Search, reference: GatewayAddress): boolean {
  const { destination: d } = reference;
  const found =
    d.t === "hostname"
      ? s.store.findHostname(d.namespace, d.hostname)
      : s.store.findAddress(d.network, d.ip, s.source.namespace);
  if (found === null) return false;
  const own = formatIdentity(s.source.identity);
  const from = s.query.sourceIp === undefined ? s.source.addresses : [s.query.sourceIp];
  const waypoints = found.t === "workload" ? [found.workload] : s.store.endpoints(found.service);
  return waypoints.some((w) => formatIdentity(w.identity) === own && w.addresses.some((ip) => from.includes(ip)));
}

function directTo(upstream: Upstream, ip: string): HboneRoute | TcpRoute {
  const { workload, service, port } = upstream;
  if (workload.tunnelProtocol !== "HBONE")
    return { t: "tcp", to: { ip, port }, workload, service, reason: "the destination workload is not in the mesh" };
  return {
    t: "hbone",
    via: "direct",
    to: { ip, port: HBONE_PORT },
    authority: formatSocketAddress({ ip, port }),
    expected: expectedIdentities(upstream),
    workload,
    service,
    reason: "the destination workload is in the mesh",
  };
}

function direct(s: Search, upstream: Upstream): OutboundRoute {
  const { workload, service } = upstream;
  const address = chooseAddress(upstream);
  if (address.t === "ip") return directTo(upstream, address.ip);
  if (address.t !== "hostname") return deny(`no valid routing destination for workload: ${formatWorkload(workload)}`);
  return {
    t: "resolve",
    hostname: address.hostname,
    family: s.query.destination.ip.includes(":") ? "ipv6" : "ipv4",
    withIp: (ip) => directTo(upstream, ip),
    workload,
    service,
    reason: "the destination workload is known by its hostname",
  };
}

function toUpstream(s: Search, upstream: Upstream): OutboundRoute {
  const { workload, service } = upstream;
  if (workload.network !== s.source.network) return throughGateway(s, upstream, service);
  if (service === null && workload.waypoint !== null) {
    if (!isFromWaypoint(s, workload.waypoint)) return throughWaypoint(s, workload.waypoint, null);
    s.trace?.("the connection comes from that workload's own waypoint");
  }
  return direct(s, upstream);
}

function search(s: Search): OutboundRoute {
  const { destination, network } = s.query;
  const known = s.store.findAddress(network, destination.ip, s.source.namespace);
  if (known?.t === "service") {
    s.trace?.(`${destination.ip} is a virtual address of service ${serviceKey(known.service)}`);
    const waypoint = pickWeightedWaypoint(known.service, s.random) ?? known.service.waypoint;
    if (waypoint !== null) return throughWaypoint(s, waypoint, known.service);
  }
  const upstream = findUpstream(s, s.source.network, destination);
  return upstream === null ? passthrough(s, known) : toUpstream(s, upstream);
}

/**
 * Where a captured connection goes. Decided once, from what the store holds now; chance enters only through `random`.
 * @see dataplane 6.2
 */
export function routeOutbound(store: WorkloadStore, query: OutboundQuery): OutboundRoute {
  const { destination } = query;
  const trace = query.trace ?? null;
  const ports = query.proxyPorts ?? PROXY_PORTS;
  if (isLoopback(destination.ip) && ports.has(destination.port)) return deny("attempted recursive call to ourselves");
  const route = search({ store, query, source: query.source, random: query.random, trace });
  trace?.(describeRoute(route));
  return route;
}

/** A route in one line of words. */
export function describeRoute(route: OutboundRoute): string {
  switch (route.t) {
    case "deny":
      return `refused: ${route.error}`;
    case "tcp":
      return `plain TCP to ${formatSocketAddress(route.to)}: ${route.reason}`;
    case "resolve":
      return `to ${route.hostname}, which must be resolved: ${route.reason}`;
    case "hbone":
      return `HBONE to ${formatSocketAddress(route.to)} for ${route.authority}: ${route.reason}`;
    case "double-hbone":
      return `double HBONE to ${formatSocketAddress(route.to)} for ${route.authority}: ${route.reason}`;
  }
}
