import type { Result } from "@lateen/errors";
import type { GatewayAddress, Service, Workload } from "@lateen/workload-model";
import { decodeAddress, encodeService, encodeWorkload } from "@lateen/xds-types";
import { serviceBytes, workloadBytes } from "../../proto-json.ts";
import type { JsonObject } from "../../suite-driver.ts";

/** What a proxy makes of a resource: the same for two messages that say the same. */
function decoded(bytes: Uint8Array): unknown {
  const address: Result<unknown> = decodeAddress(bytes);
  if (address.ok) return address.value;
  throw new TypeError(`a proxy refuses it: ${address.error.message}`);
}

export const sentWorkload = (w: Workload): unknown => decoded(encodeWorkload(w));
export const sentService = (s: Service): unknown => decoded(encodeService(s));
export const wantedWorkload = (json: JsonObject): unknown => decoded(workloadBytes(json));
export const wantedService = (json: JsonObject): unknown => decoded(serviceBytes(json));

/** A resource under the field names of its message, with IPs as text; unset fields are null. */
export function workloadFields(w: Workload): Record<string, unknown> {
  return {
    ...w,
    addresses: some(w.addresses),
    hostname: w.hostname || null,
    network: w.network || null,
    trustDomain: w.identity.trustDomain === "cluster.local" ? null : w.identity.trustDomain,
    serviceAccount: w.identity.serviceAccount,
    waypoint: gateway(w.waypoint),
    networkGateway: gateway(w.networkGateway),
    authorizationPolicies: some(w.authorizationPolicies),
    services: w.services.size === 0 ? null : Object.fromEntries([...w.services].map(([k, ports]) => [k, { ports }])),
    tunnelProtocol: w.tunnelProtocol === "NONE" ? null : w.tunnelProtocol,
    applicationTunnel: w.applicationTunnel,
  };
}

export function serviceFields(s: Service): Record<string, unknown> {
  return {
    ...s,
    addresses: some(s.addresses),
    subjectAltNames: some(s.subjectAltNames),
    waypoint: gateway(s.waypoint),
    weightedWaypoints: some(
      s.weightedWaypoints.map((w) => ({ destination: gateway(w.destination), weight: w.weight })),
    ),
  };
}

const some = <T>(list: readonly T[]): readonly T[] | null => (list.length === 0 ? null : list);

function gateway(g: GatewayAddress | null): unknown {
  if (g === null) return null;
  const { destination: d, hboneMtlsPort } = g;
  if (d.t === "hostname") return { hostname: { namespace: d.namespace, hostname: d.hostname }, hboneMtlsPort };
  return { address: { network: d.network, address: d.ip }, hboneMtlsPort };
}

/** The value at a dotted path; null where nothing is set. */
export function fieldAt(fields: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((at, step) => (at as Record<string, unknown> | null | undefined)?.[step] ?? null, fields);
}
