import { ipFromBytes, parseCidr } from "@lateen/addresses";
import { isWildcard } from "@lateen/hostnames";
import type { ServiceEntry } from "@lateen/resources";
import type { LoadBalancing, NetworkAddress } from "@lateen/workload-model";
import type { NamespaceView } from "./environment.ts";
import { toldPort } from "./kube-service.ts";
import { annotationsOf, labelsOf, namespaceOf } from "./objects.ts";
import { appProtocol, parseProtocol } from "./port-protocol.ts";
import type { NamedPort, ServiceInfo } from "./service-info.ts";
import { waypointFields } from "./service-waypoint.ts";
import { routingPreference } from "./traffic-distribution.ts";
import type { WaypointBinding } from "./waypoint-binding.ts";

const AUTOALLOCATE_LABEL = "networking.istio.io/enable-autoallocate-ip";

/**
 * Whether a host of the entry is given addresses by the mesh because it has none of its own.
 * @see control-plane 2.8
 */
export function wantsAddress(entry: ServiceEntry, host: string): boolean {
  const { resolution, addresses = [] } = entry.spec;
  if (resolution === "NONE" || addresses.length > 0) return false;
  if (labelsOf(entry)[AUTOALLOCATE_LABEL]?.toLowerCase() === "false") return false;
  return !isWildcard(host) || resolution === "DYNAMIC_DNS";
}

/** An address or block in its own terms: `10.0.0.5/24` is 10.0.0.0 with 24 bits; a block of one is an address. */
export function networkAddress(text: string, network: string): NetworkAddress | null {
  const cidr = parseCidr(text);
  if (!cidr.ok) return null;
  const { network: bytes, length } = cidr.value;
  return { network, ip: ipFromBytes(bytes), length: length === bytes.length * 8 ? null : length };
}

function addressesOf(entry: ServiceEntry, host: string, network: string): readonly NetworkAddress[] {
  const texts = wantsAddress(entry, host)
    ? (entry.status?.addresses ?? []).filter((a) => a.host === host).map((a) => a.value)
    : (entry.spec.addresses ?? []);
  return texts.flatMap((text) => networkAddress(text, network) ?? []);
}

function loadBalancing(entry: ServiceEntry, namespace: NamespaceView | undefined): LoadBalancing | null {
  if (entry.spec.resolution === "NONE")
    return { mode: "PASSTHROUGH", routingPreference: [], healthPolicy: "ALLOW_ALL" };
  const preference = routingPreference(undefined, annotationsOf(entry), namespace?.annotations);
  return preference === undefined
    ? null
    : { mode: "FAILOVER", routingPreference: preference, healthPolicy: "ONLY_HEALTHY" };
}

export interface EntryContext {
  readonly network: string;
  readonly namespace: NamespaceView | undefined;
  readonly binding: WaypointBinding;
  readonly visibility: "NAMESPACE" | "PUBLIC";
}

/**
 * The hosts of a ServiceEntry as the node proxies know them, each once.
 * @see control-plane 2.6
 */
export function entryServices(entry: ServiceEntry, context: EntryContext): readonly ServiceInfo[] {
  const { name } = entry.metadata;
  const { spec } = entry;
  const namespace = namespaceOf(entry);
  const ports: readonly NamedPort[] = (spec.ports ?? []).map((p) => ({
    name: p.name,
    servicePort: p.number,
    targetPort: p.targetPort ?? p.number,
    targetPortName: "",
  }));
  const selector = spec.workloadSelector?.labels ?? {};
  return [...new Set(spec.hosts)].map((host) => ({
    origin: { kind: "ServiceEntry", namespace, name },
    created: entry.metadata.creationTimestamp ?? "",
    ports,
    selector: Object.keys(selector).length === 0 ? null : selector,
    service: {
      name,
      namespace,
      hostname: host,
      addresses: addressesOf(entry, host, context.network),
      ports: (spec.ports ?? []).map((p) =>
        toldPort(
          { servicePort: p.number, targetPort: p.targetPort ?? p.number },
          appProtocol(parseProtocol(p.protocol ?? "")),
        ),
      ),
      subjectAltNames: spec.subjectAltNames ?? [],
      ...waypointFields(context.binding),
      loadBalancing: loadBalancing(entry, context.namespace),
      ipFamilies: "AUTOMATIC",
      canonical: false,
      visibility: context.visibility,
    },
  }));
}
