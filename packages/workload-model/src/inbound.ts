import { type SocketAddress, formatSocketAddress, ipFamily } from "@lateen/addresses";
import { parseAuthority, type Authority } from "./authority.ts";
import { serviceKey, type Trace } from "./keys.ts";
import type { GatewayAddress, Service, Workload } from "./model.ts";
import type { WorkloadStore } from "./workload-store.ts";

const PROXY_PORTS: ReadonlySet<number> = new Set([15_001, 15_006, 15_008]);

/** An HBONE CONNECT that reached a pod. */
export interface InboundQuery {
  /** The workload of that pod. */
  readonly own: Workload;
  /** `:authority` as it came. */
  readonly authority: string;
  /** The address on which the HBONE connection was accepted. */
  readonly localIp: string;
  /** Never a target; default: the proxy's own ports. */
  readonly proxyPorts?: ReadonlySet<number>;
  /** Whether an application behind a PROXY-protocol tunnel listens on loopback only; default true. */
  readonly loopbackTunnel?: boolean;
  readonly trace?: Trace | null;
}

export interface InboundTarget {
  readonly t: "target";
  /** What policy judges as the destination: the pod's own address and the real port. */
  readonly destination: SocketAddress;
  /** The address to dial. */
  readonly dial: SocketAddress;
  /** Whether to dial from loopback instead of from the peer's address. */
  readonly fromLoopback: boolean;
  /** The destination to write in a PROXY header; null: write none. */
  readonly proxyDestination: SocketAddress | null;
  /** The service that the authority names; null when it is an address. */
  readonly service: Service | null;
}

export interface InboundRefusal {
  readonly t: "refuse";
  readonly status: 400 | 503;
  /** As ztunnel words it (dataplane 11.4). */
  readonly error: string;
}

const refuse = (status: 400 | 503, error: string): InboundRefusal => ({ t: "refuse", status, error });

function namesUs(store: WorkloadStore, own: Workload, waypoint: GatewayAddress, localIp: string): boolean {
  const d = waypoint.destination;
  const found =
    d.t === "hostname"
      ? store.findHostname(d.namespace, d.hostname)
      : store.findAddress(d.network, d.ip, own.namespace);
  if (found === null) return false;
  if (found.t === "service") return own.services.has(serviceKey(found.service));
  return found.workload.addresses.includes(localIp);
}

/** Whether we are the waypoint of whoever owns the address, so that its traffic rightly comes to us. */
function isWaypointOf(store: WorkloadStore, own: Workload, ip: string, localIp: string): boolean {
  const found = store.findAddress(own.network, ip, own.namespace);
  if (found === null) return false;
  if (found.t === "workload")
    return found.workload.waypoint !== null && namesUs(store, own, found.workload.waypoint, localIp);
  const { waypoint, weightedWaypoints } = found.service;
  const all = [...(waypoint === null ? [] : [waypoint]), ...weightedWaypoints.map((w) => w.destination)];
  return all.some((w) => namesUs(store, own, w, localIp));
}

type Resolved = { readonly port: number; readonly service: Service | null };

function resolvePort(store: WorkloadStore, own: Workload, authority: Authority): Resolved | InboundRefusal {
  if (authority.t === "address") return { port: authority.port, service: null };
  const { hostname, port } = authority;
  const service = store.serviceByHostname(hostname, own.namespace);
  if (service === null) return refuse(503, `no service or workload for hostname: ${hostname}`);
  const mapping =
    own.services.get(serviceKey(service))?.find((p) => p.servicePort === port) ??
    service.ports.find((p) => p.servicePort === port);
  if (mapping === undefined || mapping.targetPort === 0)
    return refuse(503, `requested service ${hostname}:${port} found, but cannot resolve port`);
  return { port: mapping.targetPort, service };
}

/** One virtual address of the service: of our own network if it has one there, IPv4 before IPv6. */
function virtualIp(service: Service, network: string): string | null {
  const rank = (a: Service["addresses"][number]): number =>
    (a.network === network ? 0 : 2) + (ipFamily(a.ip) === "ipv4" ? 0 : 1);
  const single = service.addresses.filter(
    (a) => a.length === null || a.length === (ipFamily(a.ip) === "ipv4" ? 32 : 128),
  );
  return [...single].sort((a, b) => rank(a) - rank(b))[0]?.ip ?? null;
}

function behindTunnel(q: InboundQuery, authority: Authority, found: Resolved): InboundTarget | InboundRefusal {
  const tunnel = q.own.applicationTunnel;
  const destination = { ip: q.localIp, port: tunnel === null || tunnel.port === 0 ? found.port : tunnel.port };
  const plain: InboundTarget = {
    t: "target",
    destination,
    dial: destination,
    fromLoopback: false,
    proxyDestination: null,
    service: found.service,
  };
  if (tunnel?.protocol !== "PROXY") return plain;
  const vip = authority.t === "address" ? authority.ip : found.service && virtualIp(found.service, q.own.network);
  if (vip === null) return refuse(503, `service ${found.service?.hostname ?? ""} has no address for the PROXY header`);
  const loopback = q.loopbackTunnel ?? true;
  const dial = loopback
    ? { ip: ipFamily(q.localIp) === "ipv4" ? "127.0.0.1" : "::1", port: destination.port }
    : destination;
  return { ...plain, dial, fromLoopback: loopback, proxyDestination: { ip: vip, port: authority.port } };
}

function resolve(store: WorkloadStore, q: InboundQuery): InboundTarget | InboundRefusal {
  const { own, localIp } = q;
  const parsed = parseAuthority(q.authority);
  if (!parsed.ok) return refuse(400, parsed.error.message);
  const authority = parsed.value;
  if (authority.t === "address" && authority.ip !== localIp) {
    if (own.applicationTunnel === null && !isWaypointOf(store, own, authority.ip, localIp))
      return refuse(400, `ip mismatch: ${localIp} != ${authority.ip}`);
    q.trace?.(`${authority.ip} is not ours, but we are its waypoint`);
  }
  const found = resolvePort(store, own, authority);
  if ("t" in found) return found;
  if ((q.proxyPorts ?? PROXY_PORTS).has(found.port)) return refuse(503, "attempted recursive call to ourselves");
  return behindTunnel(q, authority, found);
}

/**
 * Where an accepted HBONE CONNECT goes, or with which status it is refused. The address of the authority is never
 * dialled, only its port on the pod's own address.
 * @see dataplane 6.5, steps 3 to 8
 */
export function resolveInbound(store: WorkloadStore, query: InboundQuery): InboundTarget | InboundRefusal {
  const outcome = resolve(store, query);
  query.trace?.(
    outcome.t === "refuse"
      ? `refused with ${outcome.status}: ${outcome.error}`
      : `accepted for ${formatSocketAddress(outcome.destination)}, dialled as ${formatSocketAddress(outcome.dial)}`,
  );
  return outcome;
}
