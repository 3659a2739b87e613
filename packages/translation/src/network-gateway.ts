import { parseIp } from "@lateen/addresses";
import type { Collection, Fetch, Graph, Index } from "@lateen/collections";
import type { Gateway } from "@lateen/resources";
import type { GatewayAddress, Workload } from "@lateen/workload-model";
import { type Environment, NETWORK_LABEL, meshOf } from "./environment.ts";
import type { ModelOptions } from "./model-options.ts";
import { annotationsOf, keyOf, labelsOf, namespaceOf } from "./objects.ts";
import type { MeshSources } from "./sources.ts";
import { bareWorkload } from "./workload-base.ts";

const REMOTE_CLASS = "istio-remote";
const SERVICE_ACCOUNT_ANNOTATION = "gateway.istio.io/service-account";

/** A way into another network. */
export interface NetworkGateway {
  readonly network: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly address: GatewayAddress;
}

export interface NetworkGateways {
  readonly all: Collection<NetworkGateway>;
  readonly ofNetwork: Index<NetworkGateway>;
}

/** @see control-plane 2.10 */
function gatewaysOf(gateway: Gateway): readonly NetworkGateway[] {
  const network = labelsOf(gateway)[NETWORK_LABEL];
  const port = gateway.spec.listeners.find((l) => l.protocol === "HBONE")?.port;
  if (gateway.spec.gatewayClassName !== REMOTE_CLASS || !network || port === undefined) return [];
  const namespace = namespaceOf(gateway);
  const serviceAccount =
    annotationsOf(gateway)[SERVICE_ACCOUNT_ANNOTATION] ?? `${gateway.metadata.name}-${REMOTE_CLASS}`;
  return (gateway.status?.addresses ?? []).flatMap(({ type = "IPAddress", value = "" }) => {
    const ip = type === "IPAddress" ? parseIp(value) : null;
    if (ip?.ok === false || value === "" || (ip === null && type !== "Hostname")) return [];
    const destination: GatewayAddress["destination"] =
      ip === null ? { t: "hostname", namespace, hostname: value } : { t: "address", network, ip: ip.value };
    return [{ network, namespace, serviceAccount, address: { destination, hboneMtlsPort: port } }];
  });
}

export function networkGateways(graph: Graph, sources: MeshSources): NetworkGateways {
  const all = graph.deriveMany<Gateway, NetworkGateway>("network gateways", sources.Gateway, (gateway) =>
    gatewaysOf(gateway).map((g, i) => [`${keyOf(gateway)}/${i}`, g]),
  );
  return { all, ofNetwork: graph.index(all, "network", (g) => [g.network]) };
}

/** The first way into a network, if it is known of any. */
export const gatewayInto = (fetch: Fetch, gateways: NetworkGateways, network: string): GatewayAddress | null =>
  network === "" ? null : (fetch.by(gateways.ofNetwork, network)[0]?.address ?? null);

/** Network gateways as workloads: their identity is looked up by their address. */
export function gatewayWorkloads(
  graph: Graph,
  gateways: NetworkGateways,
  env: Environment,
  o: ModelOptions,
): Collection<Workload> {
  const grouped = graph.index(gateways.all, "uid", (g) => [gatewayUid(g)]);
  return graph.deriveGroups("gateway workloads", grouped, (same, fetch, uid) => {
    const g = same[0];
    if (g === undefined) return [];
    const { destination: d } = g.address;
    const at = { uid, name: uid, namespace: g.namespace, network: g.network };
    const bare = bareWorkload({ ...at, clusterId: o.clusterId, trustDomain: meshOf(fetch, env).trustDomain });
    const identity = { ...bare.identity, serviceAccount: g.serviceAccount };
    const place = d.t === "hostname" ? { hostname: d.hostname } : { addresses: [d.ip] };
    return [[uid, { ...bare, identity, ...place }]];
  });
}

function gatewayUid({ network, address: { destination: d, hboneMtlsPort } }: NetworkGateway): string {
  return `NetworkGateway/${network}/${d.t === "hostname" ? d.hostname : d.ip}/${hboneMtlsPort}`;
}
