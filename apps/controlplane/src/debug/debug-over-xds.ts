import { status } from "@grpc/grpc-js";
import type { Caller } from "@lateen/ca";
import { CONFIG_STATUS, type TypeStatus, createNode, encodeClientConfig, structFromJson } from "@lateen/xds-types";
import type { DiscoveryStream } from "../discovery/discovery-stream.ts";
import type { DebugAnswer } from "../discovery/side-types.ts";
import { visibleTo } from "./debug-access.ts";
import type { DebugSources } from "./debug-pages.ts";
import { debugPage } from "./debug-routes.ts";

const DEBUG_TYPE = "istio.io/debug";
const SYNCZ_TYPE = "istio.io/debug/syncz";
const CLIENT_CONFIG_TYPE = "type.googleapis.com/envoy.service.status.v3.ClientConfig";

/**
 * Debug pages for who is connected by xDS, as `istioctl` asks for them: a page by its path, or how far each proxy is.
 * @see control-plane 1.5, 9.1
 */
export function debugOverXds(
  from: DebugSources,
  namespaces: readonly string[],
): (typeUrl: string, names: readonly string[], caller: Caller) => DebugAnswer {
  return (typeUrl, names, caller) => {
    const visible = visibleTo(caller, { namespaces });
    if (visible === null) return { t: "end", code: status.PERMISSION_DENIED, message: "no identity of this mesh" };
    if (typeUrl === SYNCZ_TYPE) {
      if (visible.t !== "all") return { t: "end", code: status.PERMISSION_DENIED, message: "it is for the mesh's own" };
      const resources = from.discovery.streams.filter((s) => s.state().size > 0).map(clientConfig);
      return { t: "resources", resources };
    }
    const [path = ""] = names;
    if (typeUrl !== DEBUG_TYPE || names.length !== 1)
      return { t: "end", code: status.INVALID_ARGUMENT, message: `${typeUrl} needs the path of one debug page` };
    const page = debugPage(from, new URL(`http://debug/debug/${encodeURI(path)}`), visible);
    if (page.status === 200) {
      const body = new TextEncoder().encode(page.body);
      return { t: "resources", resources: [{ name: path, typeUrl: DEBUG_TYPE, body }] };
    }
    const code = page.status === 403 ? status.PERMISSION_DENIED : status.NOT_FOUND;
    return { t: "end", code, message: page.body.trim() };
  };
}

function clientConfig(stream: DiscoveryStream): { name: string; typeUrl: string; body: Uint8Array } {
  const { node } = stream;
  const metadata = {
    CLUSTER_ID: node.clusterId,
    NAMESPACE: node.namespace,
    ISTIO_VERSION: node.istioVersion,
  };
  const types = [...stream.state()].map(([typeUrl, { nonceSent, nonceAcked, lastError }]): TypeStatus => {
    const lastUpdatedMs = stream.sentMs.get(typeUrl) ?? null;
    return { typeUrl, lastUpdatedMs, status: statusOf(nonceSent, nonceAcked, lastError) };
  });
  const body = encodeClientConfig(createNode({ id: node.id, metadata: structFromJson(metadata) }), types);
  return { name: node.pod, typeUrl: CLIENT_CONFIG_TYPE, body };
}

function statusOf(sent: string, acknowledged: string, error: string | null): TypeStatus["status"] {
  if (sent === "") return CONFIG_STATUS.NOT_SENT;
  if (error !== null) return CONFIG_STATUS.ERROR;
  return sent === acknowledged ? CONFIG_STATUS.SYNCED : CONFIG_STATUS.STALE;
}
