import { parseIp } from "@lateen/addresses";
import type { Node, Pod, Service } from "@lateen/resources";
import type { Locality, PortMapping, Workload } from "@lateen/workload-model";
import { serviceHostname } from "./service-address.ts";

export const REDIRECTION_ANNOTATION = "ambient.istio.io/redirection";
const TUNNEL_LABEL = "networking.istio.io/tunnel";

export interface WorkloadOptions {
  readonly clusterId: string;
  readonly trustDomain: string;
  /** Cluster domain, `cluster.local`. */
  readonly domain: string;
  readonly network: string;
}

/** What of the world a workload follows from, besides its pod. */
export interface WorkloadContext {
  readonly node: Node | undefined;
  /** Services whose selector matches the pod. */
  readonly services: readonly Service[];
  /** Keys of WorkloadSelector policies that apply to it. */
  readonly policyKeys: readonly string[];
}

/** `<cluster>//Pod/<namespace>/<name>`: the group of a Pod is empty (control-plane 2.2). */
export function podUid(clusterId: string, namespace: string, name: string): string {
  return `${clusterId}//Pod/${namespace}/${name}`;
}

/** Canonical IPs of the pod; null when one of them is no IP, which drops the pod (control-plane 2.3). */
function podIps(pod: Pod): readonly string[] | null {
  const status = pod.status;
  const texts = status?.podIPs?.map(({ ip }) => ip) ?? (status?.podIP ? [status.podIP] : []);
  const parsed = texts.map(parseIp);
  return parsed.every((ip) => ip.ok) ? parsed.map((ip) => ip.value) : null;
}

function localityOf(node: Node | undefined): Locality | null {
  const labels = node?.metadata.labels ?? {};
  const region = labels["topology.kubernetes.io/region"] ?? "";
  const zone = labels["topology.kubernetes.io/zone"] ?? "";
  const subzone = labels["topology.istio.io/subzone"] ?? "";
  return region === "" && zone === "" && subzone === "" ? null : { region, zone, subzone };
}

/** What made the pod, as people know it: the Deployment rather than its ReplicaSet. */
function ownerName(pod: Pod): string {
  const { name, generateName, ownerReferences, labels } = pod.metadata;
  const owner = ownerReferences?.find((o) => o.controller === true);
  return owner === undefined || generateName === undefined ? name : controllerName(owner, labels ?? {});
}

function controllerName(
  owner: { readonly kind: string; readonly name: string },
  labels: Readonly<Record<string, string>>,
): string {
  if (owner.kind === "ReplicaSet") {
    const hash = labels["pod-template-hash"] ?? labels["rollouts-pod-template-hash"];
    if (hash !== undefined && owner.name.endsWith(`-${hash}`)) return owner.name.slice(0, -hash.length - 1);
  }
  if (owner.kind === "ReplicationController" && labels["deploymentconfig"]) return labels["deploymentconfig"];
  if (owner.kind === "Job" && /-\d{8,10}$/.test(owner.name)) return owner.name.replace(/-\d{8,10}$/, "");
  return owner.name;
}

/** Target ports of a service on this pod; a named port that no container has is left out (control-plane 2.3). */
function portsOf(service: Service, pod: Pod): readonly PortMapping[] {
  const containers = [
    ...pod.spec.containers,
    ...(pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === "Always"),
  ];
  const byName = (name: string): number | undefined =>
    containers.flatMap((c) => c.ports ?? []).find((p) => p.name === name && p.protocol === "TCP")?.containerPort;
  return (service.spec.ports ?? []).flatMap((p) => {
    const target = p.targetPort ?? p.port;
    const targetPort = typeof target === "number" ? target : byName(target);
    return targetPort === undefined ? [] : [{ servicePort: p.port, targetPort }];
  });
}

const first = (labels: Readonly<Record<string, string>>, keys: readonly string[]): string | undefined =>
  keys.map((key) => labels[key]).find((value) => value !== undefined && value !== "");

function tunnelOf(pod: Pod): Pick<Workload, "tunnelProtocol" | "nativeTunnel"> {
  const native = (pod.metadata.labels?.[TUNNEL_LABEL] ?? "").split(",").includes("http");
  const captured = pod.metadata.annotations?.[REDIRECTION_ANNOTATION] === "enabled";
  return { tunnelProtocol: captured || native ? "HBONE" : "NONE", nativeTunnel: native };
}

function isHealthy(pod: Pod): boolean {
  const ready = pod.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True") ?? false;
  return ready && pod.metadata.deletionTimestamp == null;
}

/**
 * A pod as the node proxies know it, or undefined while it has no address or after it has ended.
 * @see control-plane 2.3
 */
export function podWorkload(pod: Pod, context: WorkloadContext, o: WorkloadOptions): Workload | undefined {
  const addresses = podIps(pod);
  const phase = pod.status?.phase;
  if (addresses === null || addresses.length === 0 || phase === "Succeeded" || phase === "Failed") return undefined;
  const { name, namespace = "default", labels } = pod.metadata;
  const workloadName = labels?.["service.istio.io/workload-name"] ?? ownerName(pod);
  return {
    uid: podUid(o.clusterId, namespace, name),
    name,
    namespace,
    addresses,
    network: o.network,
    hostname: "",
    ...tunnelOf(pod),
    identity: { trustDomain: o.trustDomain, namespace, serviceAccount: pod.spec.serviceAccountName ?? "default" },
    node: pod.spec.nodeName ?? "",
    networkMode: pod.spec.hostNetwork === true ? "HOST_NETWORK" : "STANDARD",
    status: isHealthy(pod) ? "HEALTHY" : "UNHEALTHY",
    waypoint: null,
    networkGateway: null,
    applicationTunnel: null,
    authorizationPolicies: context.policyKeys,
    services: new Map(
      context.services.map((service) => [
        `${service.metadata.namespace ?? "default"}/${serviceHostname(service, o.domain)}`,
        portsOf(service, pod),
      ]),
    ),
    canonicalName:
      first(labels ?? {}, ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]) ?? workloadName,
    canonicalRevision:
      first(labels ?? {}, ["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]) ?? "latest",
    workloadType: "POD",
    workloadName,
    clusterId: o.clusterId,
    locality: localityOf(context.node),
    capacity: 1,
  };
}
