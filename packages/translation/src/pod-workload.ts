import { parseIp } from "@lateen/addresses";
import type { Pod } from "@lateen/resources";
import type { GatewayAddress, Locality, PortMapping, Workload } from "@lateen/workload-model";
import { canonicalService } from "./canonical-service.ts";
import type { Behaviour } from "./model-options.ts";
import { annotationsOf, labelsOf, namespaceOf } from "./objects.ts";
import { podOwner } from "./pod-owner.ts";
import type { Waypoint } from "./waypoint.ts";
import { tunnelOf } from "./workload-base.ts";

export { REDIRECTION_ANNOTATION } from "./workload-base.ts";

/** What of the world a workload follows from, besides its pod. */
export interface PodContext {
  readonly clusterId: string;
  readonly trustDomain: string;
  readonly network: string;
  readonly networkGateway: GatewayAddress | null;
  readonly locality: Locality | null;
  /** What it is bound to. */
  readonly waypoint: GatewayAddress | null;
  /** What it is an instance of. */
  readonly instanceOf: Waypoint | undefined;
  readonly services: ReadonlyMap<string, readonly PortMapping[]>;
  readonly policyKeys: readonly string[];
  readonly behaviour: Behaviour;
}

/** `<cluster>//Pod/<namespace>/<name>`: the group of a Pod is empty (control-plane 2.2). */
export function podUid(clusterId: string, namespace: string, name: string): string {
  return `${clusterId}//Pod/${namespace}/${name}`;
}

/** Canonical IPs of the pod in its order; null when one of them is no IP, which drops the pod. */
export function podIps(pod: Pod): readonly string[] | null {
  const { podIP, podIPs = [] } = pod.status ?? {};
  const texts = podIPs.length > 0 ? podIPs.map(({ ip }) => ip) : podIP ? [podIP] : [];
  const parsed = texts.map(parseIp);
  return parsed.every((ip) => ip.ok) ? [...new Set(parsed.map((ip) => ip.value))] : null;
}

function isHealthy(pod: Pod): boolean {
  const ready = pod.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True") ?? false;
  return ready && pod.metadata.deletionTimestamp == null;
}

/** Whether the pod is one that anybody may be told of: it has an address and has not ended. */
export function isReachable(pod: Pod, behaviour: Behaviour): boolean {
  const phase = pod.status?.phase;
  if (phase === "Succeeded" || phase === "Failed") return false;
  return pod.spec.hostNetwork !== true || behaviour.hostNetworkPods === "tell";
}

/**
 * A pod as the node proxies know it, or undefined while it has no address or after it has ended.
 * @see control-plane 2.3
 */
export function podWorkload(pod: Pod, context: PodContext): Workload | undefined {
  const addresses = isReachable(pod, context.behaviour) ? podIps(pod) : null;
  if (addresses === null || addresses.length === 0) return undefined;
  const { name } = pod.metadata;
  const namespace = namespaceOf(pod);
  const labels = labelsOf(pod);
  const owner = podOwner(pod);
  const workloadName = labels["service.istio.io/workload-name"] || owner.name;
  const canonical = canonicalService(labels, workloadName);
  const serviceAccount = pod.spec.serviceAccountName || "default";
  return {
    uid: podUid(context.clusterId, namespace, name),
    name,
    namespace,
    addresses,
    network: context.network,
    hostname: "",
    ...tunnelOf(labels, annotationsOf(pod)),
    identity: { trustDomain: context.trustDomain, namespace, serviceAccount },
    node: pod.spec.nodeName ?? "",
    networkMode: pod.spec.hostNetwork === true ? "HOST_NETWORK" : "STANDARD",
    status: isHealthy(pod) ? "HEALTHY" : "UNHEALTHY",
    waypoint: context.waypoint,
    networkGateway: context.networkGateway,
    applicationTunnel: context.instanceOf?.inboundBinding ?? null,
    authorizationPolicies: context.policyKeys,
    services: context.services,
    canonicalName: canonical.name,
    canonicalRevision: canonical.revision,
    workloadType: context.behaviour.workloadType === "pod" ? "POD" : owner.type,
    workloadName,
    clusterId: context.clusterId,
    locality: context.locality,
    capacity: 1,
  };
}
