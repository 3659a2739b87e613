import { parseIp } from "@lateen/addresses";
import type { Collection, Fetch, Graph } from "@lateen/collections";
import { type Gateway, type GatewayClass, type GatewayListener, labelsMatch, selectorMatches } from "@lateen/resources";
import type { ApplicationTunnel, GatewayAddress } from "@lateen/workload-model";
import { type Environment, networkOf } from "./environment.ts";
import { type Labels, annotationsOf, keyOf, labelsOf, namespaceOf } from "./objects.ts";
import type { MeshSources } from "./sources.ts";

export const GATEWAY_NAME_LABEL = "gateway.networking.k8s.io/gateway-name";
const WAYPOINT_FOR = "istio.io/waypoint-for";
const INBOUND_BINDING = "ambient.istio.io/waypoint-inbound-binding";
const HBONE_PORT = 15_008;

type LabelSelector = NonNullable<NonNullable<NonNullable<GatewayListener["allowedRoutes"]>["namespaces"]>["selector"]>;

/** Whose objects may use a waypoint. */
export type AllowedNamespaces =
  | { readonly from: "All" }
  | { readonly from: "Same" }
  | { readonly from: "Selector"; readonly selector: LabelSelector | null };

/** A Gateway with an address, which objects may ask for by label. */
export interface Waypoint {
  readonly name: string;
  readonly namespace: string;
  readonly address: GatewayAddress;
  /** `service`, `workload`, `all` or `none`; any other word serves nobody. */
  readonly trafficType: string;
  readonly allowed: AllowedNamespaces;
  /** How its own pods take connections, when not by HBONE. */
  readonly inboundBinding: ApplicationTunnel | null;
  /** Accounts of its pods, sorted. */
  readonly serviceAccounts: readonly string[];
}

export const waypointKey = (w: { readonly namespace: string; readonly name: string }): string =>
  `${w.namespace}/${w.name}`;

/** `PROTOCOL[/port]`; null for what cannot be read. */
export function inboundBinding(gateway: Gateway, gatewayClass: GatewayClass | undefined): ApplicationTunnel | null {
  const text =
    annotationsOf(gateway)[INBOUND_BINDING] ?? (gatewayClass && annotationsOf(gatewayClass)[INBOUND_BINDING]);
  const [, protocol, port = "0"] = /^(NONE|PROXY)(?:\/(\d{1,5}))?$/.exec(text ?? "") ?? [];
  if ((protocol !== "NONE" && protocol !== "PROXY") || Number(port) > 65_535) return null;
  return { protocol, port: Number(port) };
}

/**
 * Which namespaces a waypoint serves: by the listener that its binding names, or else by its HBONE listener.
 * @see control-plane 3.5
 */
export function allowedNamespaces(gateway: Gateway, binding: ApplicationTunnel | null): AllowedNamespaces {
  const { listeners } = gateway.spec;
  const bound = binding?.protocol === "PROXY" ? listeners.find((l) => isBound(l, binding)) : undefined;
  const listener = bound ?? listeners.find((l) => l.protocol === "HBONE" && l.port === HBONE_PORT);
  const namespaces = listener?.allowedRoutes?.namespaces;
  if (namespaces?.from === "All") return { from: "All" };
  if (namespaces?.from !== "Selector") return { from: "Same" };
  return { from: "Selector", selector: namespaces.selector ?? null };
}

const isBound = (l: GatewayListener, binding: ApplicationTunnel): boolean =>
  l.protocol === "istio.io/PROXY" && (binding.port === 0 || binding.port === l.port);

/** Whether objects of a namespace may use the waypoint. A selector that is missing selects nothing. */
export function allowsNamespace(waypoint: Waypoint, namespace: string, labels: Labels): boolean {
  const { allowed } = waypoint;
  switch (allowed.from) {
    case "All":
      return true;
    case "Same":
      return waypoint.namespace === namespace;
    case "Selector":
      return allowed.selector !== null && selectorMatches(allowed.selector, labels);
  }
}

/** The first name, or else the first IP, of a Gateway's status. */
export function gatewayAddress(gateway: Gateway, network: string): GatewayAddress | null {
  const addresses = gateway.status?.addresses ?? [];
  const hostname = addresses.find((a) => a.type === "Hostname" && a.value)?.value;
  if (hostname !== undefined)
    return { destination: { t: "hostname", namespace: namespaceOf(gateway), hostname }, hboneMtlsPort: HBONE_PORT };
  for (const { type = "IPAddress", value = "" } of addresses) {
    const ip = type === "IPAddress" ? parseIp(value) : null;
    if (ip?.ok) return { destination: { t: "address", network, ip: ip.value }, hboneMtlsPort: HBONE_PORT };
  }
  return null;
}

function waypointOf(
  gateway: Gateway,
  gatewayClass: GatewayClass | undefined,
  at: { readonly network: string; readonly serviceAccounts: readonly string[] },
): Waypoint | undefined {
  const address = gatewayAddress(gateway, at.network);
  if (address === null) return undefined;
  const binding = inboundBinding(gateway, gatewayClass);
  return {
    name: gateway.metadata.name,
    namespace: namespaceOf(gateway),
    address,
    trafficType: labelsOf(gateway)[WAYPOINT_FOR] || (gatewayClass && labelsOf(gatewayClass)[WAYPOINT_FOR]) || "service",
    allowed: allowedNamespaces(gateway, binding),
    inboundBinding: binding,
    serviceAccounts: at.serviceAccounts,
  };
}

/**
 * Every Gateway that has an address, by `namespace/name`. Its class need not exist (control-plane 3.2).
 */
export function waypoints(graph: Graph, sources: MeshSources, env: Environment): Collection<Waypoint> {
  const instances = graph.index(sources.Pod, "gateway", (pod) => {
    const name = labelsOf(pod)[GATEWAY_NAME_LABEL];
    return name === undefined ? [] : [`${namespaceOf(pod)}/${name}`];
  });
  const accounts = (fetch: Fetch, key: string): readonly string[] => {
    const names = fetch.by(instances, key).map((pod) => pod.spec.serviceAccountName || "default");
    return [...new Set(names)].sort();
  };
  return graph.derive("waypoints", sources.Gateway, (gateway, fetch) =>
    waypointOf(gateway, fetch(sources.GatewayClass, gateway.spec.gatewayClassName), {
      network: networkOf(fetch, env),
      serviceAccounts: accounts(fetch, keyOf(gateway)),
    }),
  );
}

/** The waypoint that a pod is an instance of. */
export function instanceOf(
  pod: { readonly namespace: string; readonly labels: Labels },
  fetch: Fetch,
  all: Collection<Waypoint>,
): Waypoint | undefined {
  const name = pod.labels[GATEWAY_NAME_LABEL];
  return name === undefined ? undefined : fetch(all, `${pod.namespace}/${name}`);
}

const CONTROLLERS = ["istio.io-mesh-controller", "istio.io-eastwest-controller"] as const;

/** Whether the object was made for a waypoint: it has none itself. */
export const isWaypointPart = (labels: Labels): boolean =>
  CONTROLLERS.some((managed) => labelsMatch({ "gateway.istio.io/managed": managed }, labels));
