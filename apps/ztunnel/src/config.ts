import { envDurationMs, envFlag, envInt, parseEnv } from "@lateen/config";
import { type Result, ok } from "@lateen/errors";
import { z } from "zod";

const bytes = (max: number) => envInt(16_384, max);

/** The environment that ztunnel reads (dataplane 12.1); names and defaults are Istio's. */
const Env = z.object({
  XDS_ADDRESS: z.string().default("https://localhost:15012"),
  CA_ADDRESS: z.string().optional(),
  XDS_ROOT_CA: z.string().default("./var/run/secrets/istio/root-cert.pem"),
  CA_ROOT_CA: z.string().optional(),
  ALT_XDS_HOSTNAME: z.string().optional(),
  ALT_CA_HOSTNAME: z.string().optional(),
  AUTH_TOKEN: z.string().default("./var/run/secrets/tokens/istio-token"),
  INPOD_UDS: z.string().default("/var/run/ztunnel/ztunnel.sock"),
  INPOD_PORT_REUSE: envFlag().default(true),
  PACKET_MARK: envInt(0, 0xfff).default(1337),
  ENABLE_ORIG_SRC: z.enum(["true", "false"]).optional(),
  IPV6_ENABLED: envFlag().default(true),
  NETWORK: z.string().default(""),
  NODE_NAME: z.string().default(""),
  CLUSTER_ID: z.string().default("Kubernetes"),
  TRUST_DOMAIN: z.string().default("cluster.local"),
  POD_NAME: z.string().default("ztunnel"),
  POD_NAMESPACE: z.string().default("istio-system"),
  SERVICE_ACCOUNT: z.string().default("ztunnel"),
  INSTANCE_IP: z.string().default("1.1.1.1"),
  KEEPALIVE_ENABLED: envFlag().default(true),
  KEEPALIVE_TIME: envDurationMs().default(180_000),
  KEEPALIVE_INTERVAL: envDurationMs().default(180_000),
  KEEPALIVE_RETRIES: envInt(1, 127).default(9),
  HTTP2_STREAM_WINDOW_SIZE: bytes(2 ** 31 - 1).default(4_194_304),
  HTTP2_CONNECTION_WINDOW_SIZE: bytes(2 ** 31 - 1).default(16_777_216),
  HTTP2_FRAME_SIZE: bytes(2 ** 24 - 1).default(1_048_576),
  POOL_MAX_STREAMS_PER_CONNECTION: envInt(1, 10_000).default(100),
  POOL_UNUSED_RELEASE_TIMEOUT: envDurationMs().default(300_000),
  SECRET_TTL: envDurationMs().default(86_400_000),
  CONNECTION_TERMINATION_DEADLINE: envDurationMs().optional(),
  TERMINATION_GRACE_PERIOD_SECONDS: envInt(1).optional(),
  ENABLE_RESPONSE_BAGGAGE: envFlag().default(true),
  LOCALHOST_APP_TUNNEL: envFlag().default(true),
  ZTUNNEL_WORKER_THREADS: z
    .string()
    .regex(/^\d{1,4}%?$/, "is not a number or a percentage")
    .optional(),
  ZTUNNEL_CPU_LIMIT: z.coerce.number().positive().optional(),
  RUST_LOG: z.string().default("info"),
  LOG_FORMAT: z.enum(["plain", "json"]).default("plain"),
  ADMIN_ADDRESS: z.string().default("localhost:15000"),
  STATS_ADDRESS: z.string().default("[::]:15020"),
  READINESS_ADDRESS: z.string().default("[::]:15021"),
});
type Env = z.output<typeof Env>;

/** What a data thread is told; plain data, so that it can be sent to it. */
export interface DataConfig {
  readonly network: string;
  readonly node: string;
  readonly trustDomain: string;
  readonly clusterId: string;
  readonly mark: number;
  readonly reusePort: boolean;
  readonly ipv6: boolean;
  readonly transparent: "required" | "best-effort" | "off";
  readonly keepAlive: { readonly idleSec: number; readonly intervalSec: number; readonly probes: number } | null;
  readonly streamWindow: number;
  readonly connectionWindow: number;
  readonly frameSize: number;
  readonly poolMaxStreams: number;
  readonly poolIdleMs: number;
  readonly responseBaggage: boolean;
  readonly localhostAppTunnel: boolean;
}

export interface Config {
  readonly env: Readonly<Env>;
  readonly data: DataConfig;
  readonly drainMs: number;
}

function drainMs(e: Env): number {
  if (e.CONNECTION_TERMINATION_DEADLINE !== undefined) return e.CONNECTION_TERMINATION_DEADLINE;
  const grace = e.TERMINATION_GRACE_PERIOD_SECONDS;
  if (grace === undefined) return 5_000;
  return 1_000 * (grace > 10 ? grace - 5 : Math.max(grace - 1, 1));
}

function dataConfig(e: Env): DataConfig {
  return {
    network: e.NETWORK,
    node: e.NODE_NAME,
    trustDomain: e.TRUST_DOMAIN,
    clusterId: e.CLUSTER_ID,
    mark: e.PACKET_MARK,
    reusePort: e.INPOD_PORT_REUSE,
    ipv6: e.IPV6_ENABLED,
    transparent: e.ENABLE_ORIG_SRC === undefined ? "best-effort" : e.ENABLE_ORIG_SRC === "true" ? "required" : "off",
    keepAlive: e.KEEPALIVE_ENABLED
      ? { idleSec: e.KEEPALIVE_TIME / 1_000, intervalSec: e.KEEPALIVE_INTERVAL / 1_000, probes: e.KEEPALIVE_RETRIES }
      : null,
    streamWindow: e.HTTP2_STREAM_WINDOW_SIZE,
    connectionWindow: e.HTTP2_CONNECTION_WINDOW_SIZE,
    frameSize: e.HTTP2_FRAME_SIZE,
    poolMaxStreams: e.POOL_MAX_STREAMS_PER_CONNECTION,
    poolIdleMs: e.POOL_UNUSED_RELEASE_TIMEOUT,
    responseBaggage: e.ENABLE_RESPONSE_BAGGAGE,
    localhostAppTunnel: e.LOCALHOST_APP_TUNNEL,
  };
}

/**
 * Reads the environment (dataplane 12.1). Unknown variables are ignored; every problem is reported at once.
 * @returns BAD_INPUT naming each variable and what it must be
 */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Result<Config> {
  const read = parseEnv(Env, env);
  return read.ok ? ok({ env: read.value, data: dataConfig(read.value), drainMs: drainMs(read.value) }) : read;
}

/**
 * How many data threads to start (dataplane 12.1).
 * @param cpus what the cgroup grants, at least 1
 */
export function workerThreads(env: Pick<Env, "ZTUNNEL_WORKER_THREADS" | "ZTUNNEL_CPU_LIMIT">, cpus: number): number {
  const wanted = env.ZTUNNEL_WORKER_THREADS;
  if (wanted?.endsWith("%")) return Math.max(1, Math.ceil((cpus * Number(wanted.slice(0, -1))) / 100));
  if (wanted !== undefined) return Number(wanted) === 0 ? Math.max(1, Math.floor(cpus)) : Number(wanted);
  return Math.max(1, Math.ceil(env.ZTUNNEL_CPU_LIMIT ?? cpus));
}
