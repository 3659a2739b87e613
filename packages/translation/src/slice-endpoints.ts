import { parseIp } from "@lateen/addresses";
import type { Collection, Graph, Index } from "@lateen/collections";
import type { EndpointSlice } from "@lateen/resources";
import type { PortMapping, Workload } from "@lateen/workload-model";
import { type Environment, meshOf, networkOf } from "./environment.ts";
import { kubeHostname } from "./kube-service.ts";
import type { ModelOptions } from "./model-options.ts";
import { keyOf, labelsOf, namespaceOf } from "./objects.ts";
import type { ServiceTarget, ServiceTargets } from "./service-targets.ts";
import type { MeshSources } from "./sources.ts";
import { bareWorkload } from "./workload-base.ts";

const SERVICE_LABEL = "kubernetes.io/service-name";
const MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by";
const KUBERNETES_CONTROLLER = "endpointslice-controller.k8s.io";

/** A pod that a slice names as an endpoint of a service. */
export interface PodReference {
  /** `namespace/hostname` of the service. */
  readonly service: string;
  /** `namespace/name`. */
  readonly pod: string;
  readonly uid: string;
}

export interface PodReferences {
  readonly all: Collection<PodReference>;
  readonly ofPod: Index<PodReference>;
}

function serviceKeyOf(slice: EndpointSlice, domain: string): string | null {
  const name = labelsOf(slice)[SERVICE_LABEL];
  if (!name) return null;
  const namespace = namespaceOf(slice);
  return `${namespace}/${kubeHostname(name, namespace, domain)}`;
}

type Endpoint = EndpointSlice["endpoints"][number];
const isPod = ({ targetRef }: Endpoint): boolean => targetRef?.kind === "Pod";

/**
 * Pods that slices name as endpoints. What Kubernetes itself made of a selector is left aside: there the selector says it.
 * @see control-plane 2.3
 */
export function podReferences(
  graph: Graph,
  sources: MeshSources,
  targets: ServiceTargets,
  domain: string,
): PodReferences {
  const all = graph.deriveMany<EndpointSlice, PodReference>(
    "pod references",
    sources.EndpointSlice,
    (slice, fetch, key) => {
      const service = serviceKeyOf(slice, domain);
      if (service === null) return [];
      const target = fetch(targets.all, service);
      const derived = labelsOf(slice)[MANAGED_BY_LABEL] === KUBERNETES_CONTROLLER && target?.selects === true;
      if (derived || target?.origin.kind !== "Service") return [];
      return slice.endpoints.filter(isPod).map(({ targetRef }): [string, PodReference] => {
        const pod = `${targetRef?.namespace ?? namespaceOf(slice)}/${targetRef?.name ?? ""}`;
        const uid = targetRef?.uid ?? "";
        return [`${key} ${pod} ${uid}`, { service, pod, uid }];
      });
    },
  );
  return { all, ofPod: graph.index(all, "pod", (r) => [r.pod]) };
}

/** Ports of the slice joined to those of the service by name. */
function portsOf(slice: EndpointSlice, target: ServiceTarget): readonly PortMapping[] {
  return (slice.ports ?? []).flatMap(({ name = "", port, protocol }) => {
    if (port === undefined || protocol !== "TCP") return [];
    const served = target.ports.filter((p) => p.name === name);
    return served.map((p) => ({ servicePort: p.servicePort, targetPort: port }));
  });
}

/**
 * Endpoints that are no pods: the API server itself, or what somebody wrote by hand.
 * @see control-plane 2.11
 */
export function sliceWorkloads(
  graph: Graph,
  sources: MeshSources,
  targets: ServiceTargets,
  at: { readonly env: Environment; readonly o: ModelOptions },
): Collection<Workload> {
  const { env, o } = at;
  return graph.deriveMany<EndpointSlice, Workload>("slice workloads", sources.EndpointSlice, (slice, fetch) => {
    const others = slice.addressType === "FQDN" ? [] : slice.endpoints.filter((e) => !isPod(e));
    const service = others.length === 0 ? null : serviceKeyOf(slice, o.domain);
    const target = service === null ? undefined : fetch(targets.all, service);
    if (target?.origin.kind !== "Service") return [];
    const services = new Map([[target.key, portsOf(slice, target)]]);
    const network = networkOf(fetch, env);
    const { trustDomain } = meshOf(fetch, env);
    return others.flatMap((endpoint): [string, Workload][] => {
      const addresses = endpoint.addresses.map(parseIp).flatMap((ip) => (ip.ok ? [ip.value] : []));
      if (addresses.length === 0 || addresses.length !== endpoint.addresses.length) return [];
      const uid = `${o.clusterId}/discovery.k8s.io/EndpointSlice/${keyOf(slice)}/${addresses[0] ?? ""}`;
      const { name } = slice.metadata;
      const bare = bareWorkload({
        uid,
        name,
        namespace: namespaceOf(slice),
        network,
        clusterId: o.clusterId,
        trustDomain,
      });
      const status = endpoint.conditions?.ready === false ? "UNHEALTHY" : "HEALTHY";
      return [[uid, { ...bare, addresses, services, status, networkMode: "HOST_NETWORK" }]];
    });
  });
}
