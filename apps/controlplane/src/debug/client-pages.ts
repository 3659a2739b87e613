import type { TypeState } from "@lateen/xds";
import { describeCaller } from "../discovery/authorization.ts";
import type { DiscoveryService } from "../discovery/discovery-service.ts";
import type { DiscoveryStream } from "../discovery/discovery-stream.ts";
import type { Visible } from "./debug-access.ts";

const iso = (ms: number | undefined): string => (ms === undefined ? "" : new Date(ms).toISOString());

/** For whoever asks how far behind each proxy is. Field names are Istio's. @see control-plane 9.1 */
export function syncz(discovery: DiscoveryService, namespace: string | null): unknown {
  return discovery.streams
    .filter(({ node }) => namespace === null || namespace === "" || node.namespace === namespace)
    .map((stream) => ({
      cluster_id: stream.node.clusterId,
      proxy: stream.node.pod,
      proxy_type: stream.node.type,
      istio_version: stream.node.istioVersion,
      resources: Object.fromEntries([...stream.state()].map(([url, state]) => [url, synced(stream, url, state)])),
    }));
}

function synced(stream: DiscoveryStream, typeUrl: string, { nonceSent, nonceAcked, lastError }: TypeState): unknown {
  const sentTime = iso(stream.sentMs.get(typeUrl));
  return { sent: nonceSent, acked: nonceAcked, sentTime, ...(lastError === null ? {} : { lastError }) };
}

export function connections({ streams }: DiscoveryService): unknown {
  return { totalClients: streams.length, clients: streams.map(connection) };
}

export function adsz({ streams }: DiscoveryService): unknown {
  const clients = streams.map((stream) => ({
    ...connection(stream),
    metadata: metadata(stream),
    watches: Object.fromEntries(stream.names()),
  }));
  return { totalClients: streams.length, clients };
}

const connection = (stream: DiscoveryStream): object => ({
  connectionId: stream.id,
  connectedAt: iso(stream.startedMs),
  address: stream.call.getPeer(),
});

function metadata({ node }: DiscoveryStream): object {
  return {
    NAMESPACE: node.namespace,
    SERVICE_ACCOUNT: node.serviceAccount,
    NODE_NAME: node.nodeName,
    CLUSTER_ID: node.clusterId,
    NETWORK: node.network,
    ISTIO_VERSION: node.istioVersion,
    LATEEN_CAPABILITIES: node.capabilities === null ? null : [...node.capabilities],
  };
}

export function clients({ streams }: DiscoveryService): unknown {
  return streams.map((stream) => ({
    client: stream.id,
    node: stream.node.id,
    caller: describeCaller(stream.caller),
    variant: stream.variant,
    connectedAt: iso(stream.startedMs),
    types: Object.fromEntries(stream.state()),
  }));
}

/** @param proxyId `POD.NAMESPACE` @returns undefined when there is no such proxy, or none that the caller may see */
export function configDump({ streams }: DiscoveryService, proxyId: string, visible: Visible): unknown {
  const stream = streams.find(({ node }) => node.pod === proxyId);
  if (stream === undefined) return undefined;
  if (visible.t === "namespace" && stream.node.namespace !== visible.namespace) return undefined;
  return { proxy: proxyId, watches: Object.fromEntries(stream.names()), types: Object.fromEntries(stream.state()) };
}
