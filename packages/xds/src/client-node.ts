import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { type JsonObject, type JsonValue, type Node, structToJson } from "@lateen/xds-types";

const NODE_TYPES = ["sidecar", "router", "waypoint", "ztunnel", "agentgateway"] as const;
export type NodeType = (typeof NODE_TYPES)[number];

/** Who a client says it is (control-plane 1.4). Texts are cut to a length that logs can take. */
export interface ClientNode {
  readonly id: string;
  readonly type: NodeType;
  readonly addresses: readonly string[];
  readonly pod: string;
  /** Its configuration namespace. */
  readonly namespace: string;
  /** Empty when it does not say. */
  readonly serviceAccount: string;
  readonly nodeName: string;
  readonly clusterId: string;
  readonly network: string;
  readonly istioVersion: string;
  /** What it says it can honour; null when it does not know of such a list. */
  readonly capabilities: ReadonlySet<string> | null;
}

/** Metadata key of what a client can honour: names, commas between. ADR 0018. */
export const CAPABILITIES_KEY = "LATEEN_CAPABILITIES";

/** What a resource may need of a client. */
export const Capability = {
  /** Takes a policy for what it is: one whose matches are only reported. */
  DryRunPolicy: "dry-run-policy",
  /** Knows services whose connections go to the address that was called. */
  PassthroughService: "passthrough-service",
  /** Acknowledges a trust bundle only when every certificate that it holds carries it. */
  TrustBundle: "trust-bundle",
} as const;
export type Capability = (typeof Capability)[keyof typeof Capability];

/** The first Istio release whose proxies honour it, and what is assumed of a client that says nothing of itself. */
const SINCE: Readonly<Record<string, { readonly minor: number; readonly unknown: boolean }>> = {
  // An older proxy would enforce it, so who does not say that it knows does not get it.
  [Capability.DryRunPolicy]: { minor: 29, unknown: false },
  // An older proxy refuses the one resource, and says so.
  [Capability.PassthroughService]: { minor: 28, unknown: true },
};

/** Whether a client honours what a resource needs: by its list, else by its release. */
export function honours(node: Pick<ClientNode, "capabilities" | "istioVersion">, need: string): boolean {
  if (node.capabilities !== null) return node.capabilities.has(need);
  const since = SINCE[need];
  if (since === undefined) return false;
  const release = /^1\.(\d+)/.exec(node.istioVersion);
  return release === null ? since.unknown : Number(release[1]) >= since.minor;
}

const MAX_TEXT = 256;
const IP = /^(\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)$/;

/** @returns BAD_INPUT with what is wrong about the node's id, for the client */
export function parseClientNode(node: Node): Result<ClientNode> {
  const parts = node.id.split("~");
  const [type = "", ip = "", name = "", domain = ""] = parts;
  const bad = (why: string): Result<ClientNode> => fail(new MeshError(Code.BadInput, why));
  if (parts.length !== 4) return bad(`missing parts in the service node ${JSON.stringify(cut(node.id))}`);
  if (!isNodeType(type)) return bad(`invalid node type ${JSON.stringify(cut(type))}, valid: ${NODE_TYPES.join(", ")}`);
  const meta: JsonObject = node.metadata === null ? {} : structToJson(node.metadata);
  const listed = textOf(meta["INSTANCE_IPS"]).split(",").filter(isIp);
  const addresses = listed.length > 0 ? listed : [ip].filter(isIp);
  if (addresses.length === 0) return bad("no valid IP address in the service node id or metadata");
  return ok({
    id: cut(node.id),
    type,
    addresses: addresses.slice(0, 16),
    pod: cut(name),
    namespace: textOf(meta["NAMESPACE"]) || cut(domain.split(".")[0] ?? ""),
    serviceAccount: textOf(meta["SERVICE_ACCOUNT"]),
    nodeName: textOf(meta["NODE_NAME"]),
    clusterId: textOf(meta["CLUSTER_ID"]),
    network: textOf(meta["NETWORK"]),
    istioVersion: textOf(meta["ISTIO_VERSION"]),
    capabilities: CAPABILITIES_KEY in meta ? new Set(listOf(meta[CAPABILITIES_KEY])) : null,
  });
}

const isNodeType = (text: string): text is NodeType => (NODE_TYPES as readonly string[]).includes(text);
const isIp = (text: string): boolean => text.length <= 45 && IP.test(text);
const cut = (text: string): string => text.slice(0, MAX_TEXT);
const textOf = (value: JsonValue | undefined): string => (typeof value === "string" ? cut(value) : "");

function listOf(value: JsonValue | undefined): readonly string[] {
  const all = Array.isArray(value)
    ? (value as readonly JsonValue[]).map(textOf)
    : typeof value === "string"
      ? value.slice(0, 4_096).split(",")
      : [];
  return all.slice(0, 100).map((name) => name.trim());
}
