import { parseIp } from "@lateen/addresses";
import type { Namespace, Service as KubeService } from "@lateen/resources";
import type { LoadBalancing, NetworkAddress, Service } from "@lateen/workload-model";

/** `<name>.<namespace>.svc.<domain>`. */
export function serviceHostname(service: KubeService, domain: string): string {
  return `${service.metadata.name}.${service.metadata.namespace ?? "default"}.svc.${domain}`;
}

function addressesOf(service: KubeService, network: string): readonly NetworkAddress[] {
  const { clusterIP, clusterIPs } = service.spec;
  const texts = clusterIPs !== undefined && clusterIPs.length > 0 ? clusterIPs : [clusterIP ?? ""];
  return texts.flatMap((text) => {
    const ip = parseIp(text); // "" and "None": headless
    return ip.ok ? [{ network, ip: ip.value, length: null }] : [];
  });
}

const DISTRIBUTION: Readonly<Record<string, LoadBalancing["routingPreference"]>> = {
  PreferClose: ["NETWORK", "REGION", "ZONE"],
  PreferSameZone: ["NETWORK", "REGION", "ZONE"],
  PreferSameNode: ["NETWORK", "REGION", "ZONE", "SUBZONE", "NODE"],
};
const DISTRIBUTION_ANNOTATION = "networking.istio.io/traffic-distribution";

function loadBalancing(service: KubeService, namespace: Namespace | undefined): LoadBalancing | null {
  const { spec, metadata } = service;
  const healthPolicy = spec.publishNotReadyAddresses === true ? "ALLOW_ALL" : "ONLY_HEALTHY";
  if (spec.internalTrafficPolicy === "Local") return { mode: "STRICT", routingPreference: ["NODE"], healthPolicy };
  const wanted =
    spec.trafficDistribution ??
    metadata.annotations?.[DISTRIBUTION_ANNOTATION] ??
    namespace?.metadata.annotations?.[DISTRIBUTION_ANNOTATION];
  const preference = wanted === undefined ? undefined : DISTRIBUTION[wanted];
  if (preference !== undefined) return { mode: "FAILOVER", routingPreference: preference, healthPolicy };
  return healthPolicy === "ALLOW_ALL" ? { mode: "UNSPECIFIED_MODE", routingPreference: [], healthPolicy } : null;
}

function families(service: KubeService): Service["ipFamilies"] {
  const [one, two] = service.spec.ipFamilies ?? [];
  if (one === undefined) return "AUTOMATIC";
  if (two !== undefined) return "DUAL";
  return one === "IPv4" ? "IPV4_ONLY" : "IPV6_ONLY";
}

/**
 * A Kubernetes Service as the node proxies know it, or undefined for ExternalName, which is only a DNS alias.
 * @see control-plane 2.4
 */
export function meshService(
  service: KubeService,
  namespace: Namespace | undefined,
  o: { readonly domain: string; readonly network: string },
): Service | undefined {
  if (service.spec.type === "ExternalName") return undefined;
  return {
    name: service.metadata.name,
    namespace: service.metadata.namespace ?? "default",
    hostname: serviceHostname(service, o.domain),
    addresses: addressesOf(service, o.network),
    ports: (service.spec.ports ?? []).map((p) => ({
      servicePort: p.port,
      targetPort: typeof p.targetPort === "string" ? 0 : (p.targetPort ?? p.port),
    })),
    subjectAltNames: [],
    waypoint: null,
    weightedWaypoints: [],
    loadBalancing: loadBalancing(service, namespace),
    ipFamilies: families(service),
    canonical: true,
    visibility: "PUBLIC",
  };
}
