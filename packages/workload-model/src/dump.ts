import { formatGatewayDestination, networkKey, serviceKey } from "./keys.ts";
import type { GatewayAddress, PortMapping, Service, Workload } from "./model.ts";
import type { WorkloadStore } from "./workload-store.ts";

type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

/** `LIKE_THIS` as `LikeThis`, the way ztunnel spells its enums. */
const pascal = (name: string): string =>
  name.replace(/([A-Z0-9])([A-Z0-9]*)_?/g, (_, first: string, rest: string) => first + rest.toLowerCase());

function prune(pairs: readonly (readonly [string, Json | null])[]): JsonObject {
  const kept: [string, Json][] = [];
  for (const [key, value] of pairs) if (value !== null) kept.push([key, value]);
  return Object.fromEntries(kept);
}

const text = (value: string): string | null => (value === "" ? null : value);
const gateway = (g: GatewayAddress | null): JsonObject | null =>
  g && { destination: formatGatewayDestination(g.destination), hboneMtlsPort: g.hboneMtlsPort };
const portMap = (ports: readonly PortMapping[]): JsonObject =>
  Object.fromEntries(ports.map((p) => [String(p.servicePort), p.targetPort]));
const PROTOCOL = { HBONE: "HBONE", NONE: "TCP" } as const;

/** A workload as `config_dump` shows it; what has its default value is left out. @see dataplane 8.5, 11.2 */
export function dumpWorkload(w: Workload): JsonObject {
  const locality = w.locality;
  const tunnel = w.applicationTunnel;
  return prune([
    ["workloadIps", w.addresses],
    ["waypoint", gateway(w.waypoint)],
    ["networkGateway", gateway(w.networkGateway)],
    ["protocol", PROTOCOL[w.tunnelProtocol]],
    ["networkMode", w.networkMode === "STANDARD" ? null : pascal(w.networkMode)],
    ["uid", text(w.uid)],
    ["name", text(w.name)],
    ["namespace", w.namespace],
    ["trustDomain", text(w.identity.trustDomain)],
    ["serviceAccount", text(w.identity.serviceAccount)],
    ["network", text(w.network)],
    ["workloadName", text(w.workloadName)],
    ["workloadType", w.workloadType.toLowerCase()],
    ["canonicalName", text(w.canonicalName)],
    ["canonicalRevision", text(w.canonicalRevision)],
    ["hostname", text(w.hostname)],
    ["node", text(w.node)],
    ["nativeTunnel", w.nativeTunnel ? true : null],
    [
      "applicationTunnel",
      tunnel &&
        prune([
          ["protocol", tunnel.protocol],
          ["port", tunnel.port || null],
        ]),
    ],
    ["authorizationPolicies", w.authorizationPolicies.length > 0 ? w.authorizationPolicies : null],
    ["status", pascal(w.status)],
    ["clusterId", text(w.clusterId)],
    [
      "locality",
      locality &&
        prune([
          ["region", text(locality.region)],
          ["zone", text(locality.zone)],
          ["subzone", text(locality.subzone)],
        ]),
    ],
    ["services", Object.fromEntries([...w.services].map(([key, ports]) => [key, portMap(ports)]))],
    ["capacity", w.capacity === 1 ? null : w.capacity],
  ]);
}

function dumpLoadBalancer(s: Service): JsonObject | null {
  const lb = s.loadBalancing;
  return (
    lb && {
      routingPreferences: lb.routingPreference.map(pascal),
      mode: lb.mode === "UNSPECIFIED_MODE" ? "Standard" : pascal(lb.mode),
      healthPolicy: pascal(lb.healthPolicy),
    }
  );
}

const FAMILIES = { AUTOMATIC: null, IPV4_ONLY: "IPv4", IPV6_ONLY: "IPv6", DUAL: "Dual" } as const;

function isBlock(a: Service["addresses"][number]): boolean {
  return a.length !== null && a.length < (a.ip.includes(":") ? 128 : 32);
}

function dumpEndpoints(key: string, workloads: readonly Workload[]): JsonObject {
  return Object.fromEntries(
    workloads.map((w) => [
      w.uid,
      { workloadUid: w.uid, port: portMap(w.services.get(key) ?? []), status: pascal(w.status) },
    ]),
  );
}

/** A service as `config_dump` shows it, with the endpoints that the store derives for it. @see dataplane 11.2 */
export function dumpService(store: WorkloadStore, s: Service): JsonObject {
  const blocks = s.addresses.filter(isBlock);
  const weighted = s.weightedWaypoints.map((w) => ({ destination: gateway(w.destination) ?? {}, weight: w.weight }));
  return prune([
    ["name", s.name],
    ["namespace", s.namespace],
    ["hostname", s.hostname],
    ["vips", s.addresses.filter((a) => !isBlock(a)).map((a) => networkKey(a.network, a.ip))],
    [
      "cidrVips",
      blocks.length === 0
        ? null
        : blocks.map((a) =>
            prune([
              ["cidr", `${a.ip}/${a.length ?? 0}`],
              ["network", text(a.network)],
            ]),
          ),
    ],
    ["ports", portMap(s.ports)],
    ["endpoints", dumpEndpoints(serviceKey(s), store.endpoints(s))],
    ["subjectAltNames", s.subjectAltNames],
    ["waypoint", gateway(s.waypoint)],
    ["weightedWaypoints", weighted.length === 0 ? null : weighted],
    ["loadBalancer", dumpLoadBalancer(s)],
    ["ipFamilies", FAMILIES[s.ipFamilies]],
    ["canonical", s.canonical ? true : null],
    ["visibility", s.visibility === "PUBLIC" ? null : pascal(s.visibility)],
  ]);
}

/** Endpoints whose service nobody delivered yet, as `config_dump` shows them. @see dataplane 11.2 */
export function dumpStagedServices(store: WorkloadStore): JsonObject {
  return Object.fromEntries([...store.staged()].map(([key, workloads]) => [key, dumpEndpoints(key, workloads)]));
}
