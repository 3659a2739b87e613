import { z } from "zod";
import { keyword, oneof, present } from "../crd/rule.ts";
import { duration, flag, int32, maybe, uint32, word, words } from "../istio-fields.ts";
import { list, text } from "../metadata.ts";

// What a client of a destination does: the TrafficPolicy of a DestinationRule, parts of which stand in other kinds too.

const tcpKeepalive = z.strictObject({
  probes: uint32.optional(),
  time: duration.optional(),
  interval: duration.optional(),
});
const tcpPool = z.strictObject({
  maxConnections: int32.optional(),
  connectTimeout: duration.optional(),
  tcpKeepalive: tcpKeepalive.optional(),
  maxConnectionDuration: duration.optional(),
  /** `0s` switches it off. */
  idleTimeout: word,
});
const httpPool = z.strictObject({
  http1MaxPendingRequests: int32.optional(),
  http2MaxRequests: int32.optional(),
  maxRequestsPerConnection: int32.optional(),
  maxRetries: int32.optional(),
  idleTimeout: duration.optional(),
  h2UpgradePolicy: z.enum(["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"]).optional(),
  useClientProtocol: flag,
  maxConcurrentStreams: int32.optional(),
  http2KeepAlive: z.strictObject({ interval: duration.optional(), timeout: duration.optional() }).optional(),
});
export const connectionPool = z.strictObject({ tcp: tcpPool.optional(), http: httpPool.optional() });
export type ConnectionPool = z.output<typeof connectionPool>;

const failover = list(z.strictObject({ from: word, to: word })).optional();
export const localityLbSetting = z.strictObject({
  distribute: list(z.strictObject({ from: word, to: z.record(text, uint32).optional() })).optional(),
  failover,
  failoverPriority: words,
  enabled: maybe(z.boolean()),
});
export type LocalityLbSetting = z.output<typeof localityLbSetting>;
export const zoneAwareLbSetting = z.strictObject({
  failover,
  failoverPriority: words,
  enabled: maybe(z.boolean()),
  minClusterSize: maybe(z.number().int().min(1)),
});
export type ZoneAwareLbSetting = z.output<typeof zoneAwareLbSetting>;

const size = z.number().int().min(0);
const cookie = z.strictObject({
  name: text,
  path: word,
  ttl: word,
  attributes: list(z.strictObject({ name: text, value: word })).optional(),
});
const HASH_KEYS = ["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"] as const;
const HASH_ALGORITHMS = ["ringHash", "maglev"] as const;
const exactly = (fields: readonly string[]) => {
  const each = fields.map((field) => ({ required: [field] }));
  return { oneOf: [{ not: { anyOf: each } }, ...each] };
};
const consistentHash = keyword(
  z.strictObject({
    httpHeaderName: word,
    httpCookie: cookie.optional(),
    useSourceIp: flag,
    httpQueryParameterName: word,
    ringHash: z.strictObject({ minimumRingSize: size.optional() }).optional(),
    maglev: z.strictObject({ tableSize: size.optional() }).optional(),
    minimumRingSize: size.optional(),
  }),
  {
    schema: { allOf: [exactly(HASH_KEYS), exactly(HASH_ALGORITHMS)] },
    message: "can hash by one key and with one algorithm",
    holds: (h) => present(h, HASH_KEYS) <= 1 && present(h, HASH_ALGORITHMS) <= 1,
  },
);
const warmup = z.strictObject({
  duration,
  minimumPercent: maybe(z.number().min(0).max(100)),
  aggression: maybe(z.number().min(0)),
});
export const loadBalancer = oneof(
  z.strictObject({
    simple: z.enum(["UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"]).optional(),
    consistentHash: consistentHash.optional(),
    localityLbSetting: localityLbSetting.optional(),
    zoneAwareLbSetting: zoneAwareLbSetting.optional(),
    warmupDurationSecs: duration.optional(),
    warmup: warmup.optional(),
  }),
  ["simple", "consistentHash"],
);
export type LoadBalancer = z.output<typeof loadBalancer>;

export const outlierDetection = z.strictObject({
  consecutiveErrors: int32.optional(),
  splitExternalLocalOriginErrors: flag,
  consecutiveLocalOriginFailures: maybe(uint32),
  consecutiveGatewayErrors: maybe(uint32),
  consecutive5xxErrors: maybe(uint32),
  interval: duration.optional(),
  baseEjectionTime: duration.optional(),
  maxEjectionPercent: int32.optional(),
  minHealthPercent: int32.optional(),
  outlierDetectionHttpErrorCodes: list(z.number().int().min(100).max(599)).optional(),
});
export type OutlierDetection = z.output<typeof outlierDetection>;

export const clientTls = z.strictObject({
  mode: z.enum(["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"]).optional(),
  clientCertificate: word,
  privateKey: word,
  caCertificates: word,
  caCrl: word,
  credentialName: word,
  subjectAltNames: words,
  sni: word,
  insecureSkipVerify: maybe(z.boolean()),
});
export type ClientTls = z.output<typeof clientTls>;

const perPort = {
  loadBalancer: loadBalancer.optional(),
  connectionPool: connectionPool.optional(),
  outlierDetection: outlierDetection.optional(),
  tls: clientTls.optional(),
};
const portPolicy = z.strictObject({
  port: z.strictObject({ number: uint32.optional() }).optional(),
  ...perPort,
});
export type PortTrafficPolicy = z.output<typeof portPolicy>;

export const trafficPolicy = z.strictObject({
  ...perPort,
  portLevelSettings: z.array(portPolicy).max(4_096).optional(),
  tunnel: z.strictObject({ protocol: word, targetHost: text, targetPort: uint32 }).optional(),
  proxyProtocol: z.strictObject({ version: z.enum(["V1", "V2"]).optional() }).optional(),
  retryBudget: z
    .strictObject({
      percent: maybe(z.number().min(0).max(100)),
      minRetryConcurrency: uint32.optional(),
      budgetInterval: word,
    })
    .optional(),
});
export type TrafficPolicy = z.output<typeof trafficPolicy>;
