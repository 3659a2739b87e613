import type { Result } from "@lateen/errors";
import type { LoadBalancing, Service } from "@lateen/workload-model";
import {
  readGateway,
  readNetworkAddress,
  readServicePorts,
  writeGateway,
  writeNetworkAddress,
  writePorts,
} from "./gateway-address.ts";
import {
  type LoadBalancing as WireLoadBalancing,
  type Service as WireService,
  createAddress,
  createLoadBalancing,
  createService,
  createWeightedWaypoint,
  encodeAddress,
} from "./generated/workload.ts";
import { Problems } from "./problems.ts";

const SCOPES = ["REGION", "ZONE", "SUBZONE", "NODE", "CLUSTER", "NETWORK"] as const;
const MODES = ["UNSPECIFIED_MODE", "STRICT", "FAILOVER", "PASSTHROUGH"] as const;
const HEALTH = ["ONLY_HEALTHY", "ALLOW_ALL"] as const;
const FAMILIES = ["AUTOMATIC", "IPV4_ONLY", "IPV6_ONLY", "DUAL"] as const;

function readLoadBalancing(wire: WireLoadBalancing, problems: Problems): LoadBalancing {
  return {
    // Number 0 is a scope that nobody specified: a mistake, not a default.
    routingPreference: wire.routingPreference.map((s, i) =>
      problems.enumName(`loadBalancing.routingPreference[${i}]`, SCOPES, s - 1),
    ),
    mode: problems.enumName("loadBalancing.mode", MODES, wire.mode),
    healthPolicy: problems.enumName("loadBalancing.healthPolicy", HEALTH, wire.healthPolicy),
  };
}

/** Checks a service of the wire and gives it the model's form; everything wrong is reported at once, with its path. */
export function readService(wire: WireService): Result<Service> {
  const problems = new Problems();
  return problems.result({
    name: wire.name,
    namespace: wire.namespace,
    hostname: wire.hostname,
    addresses: wire.addresses.map((a, i) => readNetworkAddress(a, `addresses[${i}]`, problems)),
    ports: readServicePorts(wire.ports, "ports", problems),
    subjectAltNames: wire.subjectAltNames,
    waypoint: wire.waypoint && readGateway(wire.waypoint, "waypoint", problems),
    weightedWaypoints: wire.weightedWaypoints.flatMap((w, i) => {
      const path = `weightedWaypoints[${i}].destination`;
      if (w.destination !== null) return { destination: readGateway(w.destination, path, problems), weight: w.weight };
      problems.add(path, "is missing");
      return [];
    }),
    loadBalancing: wire.loadBalancing && readLoadBalancing(wire.loadBalancing, problems),
    ipFamilies: problems.enumName("ipFamilies", FAMILIES, wire.ipFamilies),
    canonical: wire.canonical,
    visibility: wire.visibility === 1 ? "NAMESPACE" : "PUBLIC",
    ...(wire.ingressUseWaypoint ? { ingressUseWaypoint: true } : {}),
  });
}

function toWire(s: Service): WireService {
  const lb = s.loadBalancing;
  return createService({
    name: s.name,
    namespace: s.namespace,
    hostname: s.hostname,
    addresses: s.addresses.map(writeNetworkAddress),
    ports: writePorts(s.ports),
    subjectAltNames: [...s.subjectAltNames],
    waypoint: s.waypoint && writeGateway(s.waypoint),
    weightedWaypoints: s.weightedWaypoints.map((w) =>
      createWeightedWaypoint({ destination: writeGateway(w.destination), weight: w.weight }),
    ),
    loadBalancing:
      lb &&
      createLoadBalancing({
        routingPreference: lb.routingPreference.map((scope) => SCOPES.indexOf(scope) + 1),
        mode: MODES.indexOf(lb.mode),
        healthPolicy: HEALTH.indexOf(lb.healthPolicy),
      }),
    ipFamilies: FAMILIES.indexOf(s.ipFamilies),
    canonical: s.canonical,
    visibility: s.visibility === "NAMESPACE" ? 1 : 0,
    ingressUseWaypoint: s.ingressUseWaypoint === true,
  });
}

/** The bytes of an `istio.workload.Address` that holds the service; equal services give equal bytes. */
export function encodeService(s: Service): Uint8Array {
  return encodeAddress(createAddress({ service: toWire(s) }));
}
