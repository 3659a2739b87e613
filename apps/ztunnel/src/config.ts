import { envCpus, envDurationMs, envFlag, envInt, parseEnv } from "@lateen/config";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import type { ConnectOptions } from "@lateen/datapath";
import type { HboneLimits } from "@lateen/hbone";
import type { JsonValue } from "@lateen/xds-types";
import { z } from "zod";
import { NO_PROXY_CONFIG, type ProxyConfig } from "./proxy-config.ts";
import { proxyMetadata, requestHeaders } from "./proxy-metadata.ts";
import type { ThreadSettings } from "./worker-threads.ts";

/** The environment that ztunnel reads (dataplane 12.1); names and defaults are Istio's. */
const Env = z.object({
  /** Empty: no control plane. */
  XDS_ADDRESS: z.string().optional(),
  CA_ADDRESS: z.string().optional(),
  XDS_ROOT_CA: z.string().default("./var/run/secrets/istio/root-cert.pem"),
  CA_ROOT_CA: z.string().optional(),
  ALT_XDS_HOSTNAME: z.string().optional(),
  ALT_CA_HOSTNAME: z.string().optional(),
  AUTH_TOKEN: z.string().default("./var/run/secrets/tokens/istio-token"),
  INPOD_UDS: z.string().default("/var/run/ztunnel/ztunnel.sock"),
  /** Ours: socket on which a running proxy hands over to its successor; empty for none. */
  HANDOVER_UDS: z.string().default(""),
  INPOD_PORT_REUSE: envFlag().default(true),
  PACKET_MARK: envInt(0, 0xfff).default(1337),
  ENABLE_ORIG_SRC: z.enum(["true", "false"]).optional(),
  IPV6_ENABLED: envFlag().default(true),
  NETWORK: z.string().default(""),
  NODE_NAME: z.string().default(""),
  CLUSTER_ID: z.string().optional(),
  ISTIO_META_CLUSTER_ID: z.string().optional(),
  KUBERNETES_SERVICE_HOST: z.string().optional(),
  PROXY_MODE: z.literal("shared", "must be shared: one proxy for the pods of a node").optional(),
  LOCAL_XDS_PATH: z.string().optional(),
  LOCAL_XDS: z.string().optional(),
  TRUST_DOMAIN: z.string().default("cluster.local"),
  POD_NAME: z.string().default("ztunnel"),
  POD_NAMESPACE: z.string().default("istio-system"),
  SERVICE_ACCOUNT: z.string().default("ztunnel"),
  INSTANCE_IP: z.string().default("1.1.1.1"),
  KEEPALIVE_ENABLED: envFlag().default(true),
  KEEPALIVE_TIME: envDurationMs().default(180_000),
  KEEPALIVE_INTERVAL: envDurationMs().default(180_000),
  KEEPALIVE_RETRIES: envInt(1, 127).default(9),
  USER_TIMEOUT_ENABLED: envFlag().default(false),
  HTTP2_STREAM_WINDOW_SIZE: envInt(16_384, 16_777_216).default(4_194_304),
  HTTP2_CONNECTION_WINDOW_SIZE: envInt(65_535, 2 ** 31 - 1).default(16_777_216),
  HTTP2_FRAME_SIZE: envInt(16_384, 2 ** 24 - 1).default(1_048_576),
  POOL_MAX_STREAMS_PER_CONNECTION: envInt(1, 10_000).default(100),
  POOL_UNUSED_RELEASE_TIMEOUT: envDurationMs().default(300_000),
  SECRET_TTL: envDurationMs().default(86_400_000),
  /** Over how long certificates are renewed when the roots of the mesh change. */
  LATEEN_BUNDLE_SPREAD: envDurationMs().default(30_000),
  CONNECTION_TERMINATION_DEADLINE: envDurationMs().optional(),
  TERMINATION_GRACE_PERIOD_SECONDS: envInt(1).optional(),
  ENABLE_RESPONSE_BAGGAGE: envFlag().default(true),
  LOCALHOST_APP_TUNNEL: envFlag().default(true),
  ZTUNNEL_WORKER_THREADS: z
    .string()
    .regex(/^(?:\d{1,4}|(?:[1-9]\d?|100)%)$/, "must be a whole number, or a percentage from 1% to 100%")
    .optional(),
  ZTUNNEL_CPU_LIMIT: envCpus().optional(),
  ZTUNNEL_RESOURCE_CPU_LIMIT: envCpus().optional(),
  ZTUNNEL_RESOURCE_CPU_REQUEST: envCpus().optional(),
  /** Ours: what carries the bytes. `auto` is `fast` where that runs. */
  LATEEN_DATA_PATH: z.enum(["auto", "fast", "portable"]).default("auto"),
  /** Ours: whether TLS sessions are resumed between peers that have met. Only by the fast data path. */
  LATEEN_TLS_RESUMPTION: envFlag().default(true),
  RUST_LOG: z.string().default("info"),
  LOG_FORMAT: z.enum(["plain", "json"]).default("plain"),
  ADMIN_ADDRESS: z.string().optional(),
  STATS_ADDRESS: z.string().optional(),
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
  readonly keepAlive: ConnectOptions["keepAlive"];
  /** Of every HBONE connection. */
  readonly http2: HboneLimits;
  readonly poolMaxStreams: number;
  readonly poolIdleMs: number;
  readonly responseBaggage: boolean;
  readonly localhostAppTunnel: boolean;
}

/** The control plane and the CA. */
export interface UpstreamConfig {
  /** `https://host:port`; null: there is no control plane, only a static configuration. */
  readonly xdsAddress: string | null;
  readonly caAddress: string;
  readonly clusterId: string;
  /** What the proxy says of itself, beside its name and place. */
  readonly metadata: Readonly<Record<string, JsonValue>>;
  readonly xdsHeaders: Readonly<Record<string, string>>;
  readonly caHeaders: Readonly<Record<string, string>>;
}

/** Addresses of our own servers, `host:port`. */
export interface ServerConfig {
  readonly admin: string;
  readonly stats: string;
  readonly readiness: string;
}

/** A static configuration read at the start (dataplane 8.5), by path or as it is. */
export type StaticConfig =
  { readonly t: "file"; readonly path: string } | { readonly t: "text"; readonly text: string };

export interface Config {
  readonly env: Readonly<Env>;
  readonly data: DataConfig;
  readonly upstream: UpstreamConfig;
  readonly servers: ServerConfig;
  readonly threads: ThreadSettings;
  readonly staticConfig: StaticConfig | null;
  readonly drainMs: number;
}

function drainMs(e: Env): number {
  if (e.CONNECTION_TERMINATION_DEADLINE !== undefined) return e.CONNECTION_TERMINATION_DEADLINE;
  const grace = e.TERMINATION_GRACE_PERIOD_SECONDS;
  if (grace === undefined) return 5_000;
  return 1_000 * (grace > 10 ? grace - 5 : Math.max(grace - 1, 1));
}

function dataConfig(e: Env, clusterId: string): DataConfig {
  return {
    network: e.NETWORK,
    node: e.NODE_NAME,
    trustDomain: e.TRUST_DOMAIN,
    clusterId,
    mark: e.PACKET_MARK,
    reusePort: e.INPOD_PORT_REUSE,
    ipv6: e.IPV6_ENABLED,
    transparent: e.ENABLE_ORIG_SRC === undefined ? "best-effort" : e.ENABLE_ORIG_SRC === "true" ? "required" : "off",
    keepAlive: e.KEEPALIVE_ENABLED
      ? {
          idleSec: e.KEEPALIVE_TIME / 1_000,
          intervalSec: e.KEEPALIVE_INTERVAL / 1_000,
          probes: e.KEEPALIVE_RETRIES,
          userTimeout: e.USER_TIMEOUT_ENABLED,
        }
      : null,
    http2: {
      streamWindow: e.HTTP2_STREAM_WINDOW_SIZE,
      connectionWindow: e.HTTP2_CONNECTION_WINDOW_SIZE,
      frameBytes: e.HTTP2_FRAME_SIZE,
    },
    poolMaxStreams: e.POOL_MAX_STREAMS_PER_CONNECTION,
    poolIdleMs: e.POOL_UNUSED_RELEASE_TIMEOUT,
    responseBaggage: e.ENABLE_RESPONSE_BAGGAGE,
    localhostAppTunnel: e.LOCALHOST_APP_TUNNEL,
  };
}

const DEFAULT_CLUSTER = "Kubernetes";
const IN_CLUSTER = "https://istiod.istio-system.svc:15012";
const ALONE = "https://localhost:15012";

/** Adds the scheme when it is missing. @returns null for an empty text, BAD_INPUT for what is not https://host:port */
function address(name: string, text: string): Result<string | null> {
  if (text === "") return ok(null);
  const full = text.includes("://") ? text : `https://${text}`;
  const url = URL.canParse(full) ? new URL(full) : null;
  if (url?.protocol === "https:" && url.hostname !== "") return ok(full);
  return bad(`${name}: ${JSON.stringify(text)} is not https://host:port`);
}

const bad = (why: string): Result<never> => fail(new MeshError(Code.BadInput, `Cannot parse environment: ${why}`));

function upstreamConfig(
  e: Env,
  env: Readonly<Record<string, string | undefined>>,
  config: ProxyConfig,
): Result<UpstreamConfig> {
  const byDefault = e.KUBERNETES_SERVICE_HOST === undefined ? ALONE : IN_CLUSTER;
  const xds = address("XDS_ADDRESS", e.XDS_ADDRESS ?? config.discoveryAddress ?? byDefault);
  if (!xds.ok) return xds;
  const ca = address("CA_ADDRESS", e.CA_ADDRESS ?? xds.value ?? byDefault);
  if (!ca.ok) return ca;
  if (ca.value === null) return bad("CA_ADDRESS: must not be empty");
  const metadata = proxyMetadata(env, config);
  if (!metadata.ok) return metadata;
  const xdsHeaders = requestHeaders(env, "XDS_HEADER_");
  if (!xdsHeaders.ok) return xdsHeaders;
  const caHeaders = requestHeaders(env, "CA_HEADER_");
  if (!caHeaders.ok) return caHeaders;
  return ok({
    xdsAddress: xds.value,
    caAddress: ca.value,
    clusterId: e.ISTIO_META_CLUSTER_ID ?? e.CLUSTER_ID ?? DEFAULT_CLUSTER,
    metadata: metadata.value,
    xdsHeaders: xdsHeaders.value,
    caHeaders: caHeaders.value,
  });
}

function serverConfig(e: Env, config: ProxyConfig): ServerConfig {
  return {
    admin: e.ADMIN_ADDRESS ?? `localhost:${config.proxyAdminPort ?? 15_000}`,
    stats: e.STATS_ADDRESS ?? `[::]:${config.statsPort ?? 15_020}`,
    readiness: e.READINESS_ADDRESS,
  };
}

function staticConfig(e: Env): Result<StaticConfig | null> {
  const { LOCAL_XDS_PATH: path, LOCAL_XDS: text } = e;
  if (path !== undefined && text !== undefined) return bad("only one of LOCAL_XDS_PATH and LOCAL_XDS may be set");
  if (path !== undefined) return ok({ t: "file", path });
  return ok(text === undefined ? null : { t: "text", text });
}

/**
 * Reads the environment (dataplane 12.1). Unknown variables are ignored; every variable that is wrong is reported at once.
 * @param config the documents below the environment, see `readConfig`
 * @returns BAD_INPUT naming each variable and what it must be
 */
export function parseConfig(
  env: Readonly<Record<string, string | undefined>>,
  config: ProxyConfig = NO_PROXY_CONFIG,
): Result<Config> {
  const read = parseEnv(Env, env);
  if (!read.ok) return read;
  const e = read.value;
  const upstream = upstreamConfig(e, env, config);
  if (!upstream.ok) return upstream;
  const local = staticConfig(e);
  if (!local.ok) return local;
  return ok({
    env: e,
    data: dataConfig(e, upstream.value.clusterId),
    upstream: upstream.value,
    servers: serverConfig(e, config),
    threads: {
      workerThreads: e.ZTUNNEL_WORKER_THREADS ?? null,
      cpuLimit: e.ZTUNNEL_CPU_LIMIT ?? null,
      resourceCpuLimit: e.ZTUNNEL_RESOURCE_CPU_LIMIT ?? null,
      resourceCpuRequest: e.ZTUNNEL_RESOURCE_CPU_REQUEST ?? null,
      concurrency: config.concurrency,
    },
    staticConfig: local.value,
    drainMs: drainMs(e),
  });
}
