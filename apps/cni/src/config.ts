import path from "node:path";
import { envFlag, parseEnv } from "@lateen/config";
import { type Result, ok } from "@lateen/errors";
import { type InPodOptions, PROBE_SOURCE_V4, PROBE_SOURCE_V6, defaultInPodOptions } from "@lateen/redirection";
import { z } from "zod";

const ip = (family: "v4" | "v6", otherwise: string) =>
  (family === "v4" ? z.ipv4("must be an IPv4 address") : z.ipv6("must be an IPv6 address")).default(otherwise);

/** Names and defaults are Istio's where Istio has them; AGENT_SOCKET and ZTUNNEL_ADMIN_ADDRESS are ours. */
const Env = z.object({
  NODE_NAME: z.string().default(""),
  CNI_AGENT_RUN_DIR: z.string().startsWith("/", "must be an absolute path").default("/var/run/istio-cni"),
  AGENT_SOCKET: z.string().startsWith("/", "must be an absolute path").optional(),
  ZTUNNEL_UDS_ADDRESS: z.string().startsWith("/", "must be an absolute path").default("/var/run/ztunnel/ztunnel.sock"),
  ZTUNNEL_ADMIN_ADDRESS: z
    .url({ protocol: /^http$/, error: "must be an http:// URL" })
    .default("http://127.0.0.1:15000"),
  AMBIENT_DNS_CAPTURE: envFlag().default(false),
  AMBIENT_IPV6: envFlag().default(true),
  AMBIENT_RECONCILE_POD_RULES_ON_STARTUP: envFlag().default(true),
  HOST_PROBE_SNAT_IP: ip("v4", PROBE_SOURCE_V4),
  HOST_PROBE_SNAT_IPV6: ip("v6", PROBE_SOURCE_V6),
  LOG_LEVEL: z.string().default("info"),
  LOG_FORMAT: z.enum(["plain", "json"]).default("plain"),
});

/** What the agent is told at its start. */
export interface Config {
  readonly nodeName: string;
  /** HTTP API, a unix socket. */
  readonly agentSocket: string;
  /** ZDS, a SEQPACKET socket. */
  readonly ztunnelSocket: string;
  readonly ztunnelAdmin: string;
  /** Which pods are enrolled, so that a successor can clean up after one that died. */
  readonly recordFile: string;
  /** Options of every pod; annotations change some. */
  readonly redirection: InPodOptions;
  /** Whether pods found enrolled at the start are repaired. */
  readonly repairAtStart: boolean;
  readonly logLevel: string;
  readonly logFormat: "plain" | "json";
}

/**
 * @param env the process's environment
 * @see the data-plane contract, section 1.2
 */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Result<Config> {
  const parsed = parseEnv(Env, env);
  if (!parsed.ok) return parsed;
  const e = parsed.value;
  return ok({
    nodeName: e.NODE_NAME,
    agentSocket: e.AGENT_SOCKET ?? path.join(e.CNI_AGENT_RUN_DIR, "agent.sock"),
    ztunnelSocket: e.ZTUNNEL_UDS_ADDRESS,
    ztunnelAdmin: e.ZTUNNEL_ADMIN_ADDRESS,
    recordFile: path.join(e.CNI_AGENT_RUN_DIR, "enrolled-pods.json"),
    redirection: {
      ...defaultInPodOptions,
      ipv6: e.AMBIENT_IPV6,
      dns: e.AMBIENT_DNS_CAPTURE,
      probeSource: { ipv4: e.HOST_PROBE_SNAT_IP, ipv6: e.HOST_PROBE_SNAT_IPV6 },
    },
    repairAtStart: e.AMBIENT_RECONCILE_POD_RULES_ON_STARTUP,
    logLevel: e.LOG_LEVEL,
    logFormat: e.LOG_FORMAT,
  });
}
