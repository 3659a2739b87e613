import { parseIp } from "@lateen/addresses";
import type { Service as KubeService } from "@lateen/resources";
import type { LoadBalancing, NetworkAddress, Service, ServicePort } from "@lateen/workload-model";
import type { NamespaceView } from "./environment.ts";
import type { Behaviour } from "./model-options.ts";
import { annotationsOf, namespaceOf } from "./objects.ts";
import { appProtocol, portProtocol } from "./port-protocol.ts";
import type { NamedPort, ServiceInfo } from "./service-info.ts";
import { routingPreference } from "./traffic-distribution.ts";
import { waypointFields } from "./service-waypoint.ts";
import type { WaypointBinding } from "./waypoint-binding.ts";

/** `<name>.<namespace>.svc.<domain>`. */
export function kubeHostname(name: string, namespace: string, domain: string): string {
  return `${name}.${namespace}.svc.${domain}`;
}

export interface ServiceContext {
  readonly domain: string;
  readonly network: string;
  readonly namespace: NamespaceView | undefined;
  readonly binding: WaypointBinding;
  readonly behaviour: Behaviour;
}

/** "" and "None" are no addresses: the service is headless. */
function addressesOf(service: KubeService, { network, behaviour }: ServiceContext): readonly NetworkAddress[] {
  const { clusterIP = "", clusterIPs = [] } = service.spec;
  const loadBalancers = (service.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip ?? "");
  const texts =
    behaviour.serviceAddresses === "cluster-ips"
      ? clusterIPs.length > 0
        ? clusterIPs
        : [clusterIP]
      : [clusterIP, ...loadBalancers];
  const ips = texts.flatMap((text) => {
    const ip = parseIp(text);
    return ip.ok ? [ip.value] : [];
  });
  return [...new Set(ips)].map((ip) => ({ network, ip, length: null }));
}

function loadBalancing(service: KubeService, namespace: NamespaceView | undefined): LoadBalancing | null {
  const { spec } = service;
  const healthPolicy = spec.publishNotReadyAddresses === true ? "ALLOW_ALL" : "ONLY_HEALTHY";
  if (spec.internalTrafficPolicy === "Local") return { mode: "STRICT", routingPreference: ["NODE"], healthPolicy };
  const preference = routingPreference(spec.trafficDistribution, annotationsOf(service), namespace?.annotations);
  if (preference !== undefined) return { mode: "FAILOVER", routingPreference: preference, healthPolicy };
  return healthPolicy === "ALLOW_ALL" ? { mode: "UNSPECIFIED_MODE", routingPreference: [], healthPolicy } : null;
}

function families(service: KubeService): Service["ipFamilies"] {
  const [one, two] = service.spec.ipFamilies ?? [];
  if (one === undefined) return "AUTOMATIC";
  if (two !== undefined) return "DUAL";
  return one === "IPv4" ? "IPV4_ONLY" : "IPV6_ONLY";
}

type KubePort = NonNullable<KubeService["spec"]["ports"]>[number];

const numeric = (p: KubePort): number => (typeof p.targetPort === "number" ? p.targetPort : 0);

/** @param p with its protocol as it is said anywhere */
export function toldPort(
  p: { readonly servicePort: number; readonly targetPort: number },
  protocol: ServicePort["appProtocol"],
): ServicePort {
  const { servicePort, targetPort } = p;
  return protocol === undefined ? { servicePort, targetPort } : { servicePort, targetPort, appProtocol: protocol };
}

function namedPort(p: KubePort): NamedPort {
  const targetPortName = typeof p.targetPort === "string" ? p.targetPort : "";
  // Said nowhere, the API server has it equal to the port; it is left to the endpoints, as a named one is.
  const targetPort = typeof p.targetPort === "number" ? p.targetPort : targetPortName === "" ? p.port : 0;
  return { name: p.name ?? "", servicePort: p.port, targetPort, targetPortName };
}

/**
 * A Kubernetes Service as the node proxies know it, or undefined for ExternalName, which is only another name of its target.
 * @see control-plane 2.4
 */
export function serviceInfo(service: KubeService, context: ServiceContext): ServiceInfo | undefined {
  if (service.spec.type === "ExternalName") return undefined;
  const { name } = service.metadata;
  const namespace = namespaceOf(service);
  const ports = service.spec.ports ?? [];
  const selector = service.spec.selector ?? {};
  return {
    origin: { kind: "Service", namespace, name },
    created: service.metadata.creationTimestamp ?? "",
    ports: ports.map(namedPort),
    selector: Object.keys(selector).length === 0 ? null : selector,
    service: {
      name,
      namespace,
      hostname: kubeHostname(name, namespace, context.domain),
      addresses: addressesOf(service, context),
      ports: ports.map((p) => toldPort({ servicePort: p.port, targetPort: numeric(p) }, appProtocol(portProtocol(p)))),
      subjectAltNames: [],
      ...waypointFields(context.binding),
      loadBalancing: loadBalancing(service, context.namespace),
      ipFamilies: families(service),
      canonical: true,
      visibility: "PUBLIC",
    },
  };
}
