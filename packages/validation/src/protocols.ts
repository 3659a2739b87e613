import { type PortProtocol, parseProtocol } from "@lateen/translation";
import { quoted } from "./findings.ts";

const HTTP: ReadonlySet<PortProtocol> = new Set(["HTTP", "HTTP2", "HTTP_PROXY", "GRPC", "GRPCWeb"]);
const TLS: ReadonlySet<PortProtocol> = new Set(["HTTPS", "TLS"]);
const TCP: ReadonlySet<PortProtocol> = new Set(["TCP", "HTTPS", "TLS", "Mongo", "Redis", "MySQL"]);

const parsed = (protocol: string | undefined): PortProtocol => parseProtocol(protocol ?? "");
export const isHttp = (protocol: string | undefined): boolean => HTTP.has(parsed(protocol));
export const isTls = (protocol: string | undefined): boolean => TLS.has(parsed(protocol));
/** What TCP carries without HTTP being seen in it. */
export const isTcp = (protocol: string | undefined): boolean => TCP.has(parsed(protocol));
export const isKnownProtocol = (protocol: string | undefined): boolean => parsed(protocol) !== "Unsupported";

/** Without a protocol it is found out from what is said. */
export function protocolProblem(protocol: string | undefined): string | null {
  if (protocol === undefined || protocol === "" || isKnownProtocol(protocol)) return null;
  return `${quoted(protocol)} is not a protocol of a port`;
}
