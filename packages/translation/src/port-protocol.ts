import type { AppProtocol } from "@lateen/workload-model";

/** What is spoken on a port, in Istio's words. `Unsupported`: nobody said, so it is looked at or taken as TCP. */
export type PortProtocol =
  | "TCP"
  | "UDP"
  | "HTTP"
  | "HTTP_PROXY"
  | "HTTP2"
  | "HTTPS"
  | "GRPC"
  | "GRPCWeb"
  | "TLS"
  | "Mongo"
  | "Redis"
  | "MySQL"
  | "Unsupported";

const NAMES: ReadonlyMap<string, PortProtocol> = new Map([
  ["tcp", "TCP"],
  ["udp", "UDP"],
  ["http", "HTTP"],
  ["http_proxy", "HTTP_PROXY"],
  ["http2", "HTTP2"],
  ["https", "HTTPS"],
  ["grpc", "GRPC"],
  ["grpc-web", "GRPCWeb"],
  ["tls", "TLS"],
  ["mongo", "Mongo"],
  ["redis", "Redis"],
  ["mysql", "MySQL"],
]);
/** appProtocol values that Kubernetes itself defines. */
const KUBERNETES_NAMES: ReadonlyMap<string, PortProtocol> = new Map([
  ["kubernetes.io/h2c", "HTTP2"],
  ["kubernetes.io/ws", "HTTP"],
  ["kubernetes.io/wss", "HTTPS"],
]);
/** SMTP, DNS, MySQL, MongoDB: where the server speaks first, waiting for the client to speak would hang. */
const SERVER_FIRST: ReadonlySet<number> = new Set([25, 53, 3306, 27_017]);

/** A protocol by its whole name, in any case. */
export function parseProtocol(name: string): PortProtocol {
  return NAMES.get(name.toLowerCase()) ?? "Unsupported";
}

/**
 * The protocol of a Service's port, from what is said about it in order: transport, appProtocol, name, number.
 * @see control-plane 2.5
 */
export function portProtocol(port: {
  readonly port: number;
  readonly name?: string | undefined;
  readonly protocol?: string | undefined;
  readonly appProtocol?: string | undefined;
}): PortProtocol {
  if (port.protocol === "UDP") return "UDP";
  const text = (port.appProtocol ?? port.name ?? "").toLowerCase();
  const known = KUBERNETES_NAMES.get(text) ?? (text.startsWith("grpc-web") ? "GRPCWeb" : undefined);
  const named = known ?? parseProtocol(text.split("-", 1)[0] ?? "");
  return named === "Unsupported" && SERVER_FIRST.has(port.port) ? "TCP" : named;
}

/** What node proxies and waypoints are told of a protocol; undefined where they have no word for it. */
export function appProtocol(protocol: PortProtocol): AppProtocol | undefined {
  switch (protocol) {
    case "HTTP":
      return "HTTP11";
    case "HTTPS":
      return "TLS";
    case "HTTP2":
    case "GRPC":
    case "TCP":
    case "TLS":
      return protocol;
    default:
      return undefined;
  }
}
