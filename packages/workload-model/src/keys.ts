import type { GatewayDestination, Service, Workload } from "./model.ts";

/** The key under which services are known and workloads name them: `namespace/hostname`. @see dataplane 8.2 */
export function serviceKey(service: Pick<Service, "namespace" | "hostname">): string {
  return `${service.namespace}/${service.hostname}`;
}

/** The key of an address within a network: `network/ip`. */
export function networkKey(network: string, ip: string): string {
  return `${network}/${ip}`;
}

/** A waypoint or gateway reference in words, as ztunnel prints it: `namespace/hostname` or `network/ip`. */
export function formatGatewayDestination(d: GatewayDestination): string {
  return d.t === "hostname" ? `${d.namespace}/${d.hostname}` : networkKey(d.network, d.ip);
}

/** A workload in words. */
export function formatWorkload(w: Workload): string {
  return w.name === "" ? w.uid : `${w.namespace}/${w.name}`;
}

/** Hears the steps of a decision, in words. Only an explanation passes one; the proxy passes null. */
export type Trace = (step: string) => void;
