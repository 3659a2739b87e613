import { parseCidr } from "@lateen/addresses";
import { envCommaList, envDurationMs, envFlag, parseEnv } from "@lateen/config";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { parseTokenRule } from "@lateen/oidc-tokens";
import { DEFAULT_POOLS } from "@lateen/translation";
import { z } from "zod";

/** Where objects, tokens and keys come from. */
const SOURCES = ["folder", "kubernetes"] as const;

const block = (standard: string): z.ZodDefault<z.ZodString> =>
  z
    .string()
    .refine((text) => parseCidr(text).ok, "is no block of addresses")
    .default(standard);

const Env = z.object({
  /** Without it: the folders if some are named, else the cluster whose pod this is or that KUBECONFIG names. */
  LATEEN_SOURCE: z.enum(SOURCES).optional(),
  /** Folders of YAML, later ones override earlier ones. */
  CONFIG_DIRS: z
    .string()
    .transform((dirs) => dirs.split(":").filter((dir) => dir !== ""))
    .refine((dirs) => dirs.length > 0, "names no folder")
    .default([]),
  /** Of folders: holds the root of the authority (`ca/`, mode 0700) and publishes `root-cert.pem`. */
  STATE_DIR: z.string().default(""),
  /** Instead of the access of the pod. */
  KUBECONFIG: z.string().default(""),
  KUBE_CONTEXT: z.string().optional(),
  KUBERNETES_SERVICE_HOST: z.string().default(""),
  KUBERNETES_SERVICE_PORT: z.string().default("443"),
  /** Namespace of the control plane itself: its Secrets, its Lease, the label of the network. */
  POD_NAMESPACE: z.string().default("istio-system"),
  /** Tells replicas apart; the name of the host otherwise. */
  POD_NAME: z.string().default(""),
  /** How long a leader that is gone without a word holds up the others; it renews four times as often. */
  LEADER_LEASE: envDurationMs()
    .default(30_000)
    .refine((ms) => ms >= 1_000, "must be at least 1s"),
  /** Of this control plane; objects labelled for another one are not ours. */
  REVISION: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9]{0,54}[a-z0-9])?$/, "is not a revision")
    .default("default"),
  DISCOVERY_ADDRESS: z.string().default("[::]:15012"),
  READINESS_ADDRESS: z.string().default("[::]:8080"),
  /** Metrics for everybody; debug pages for the loopback and for who proves that it may see them. */
  DEBUG_ADDRESS: z.string().default("[::]:15014"),
  /** Where the API server asks about objects, over TLS; of a cluster only. */
  WEBHOOK_ADDRESS: z.string().default("[::]:15017"),
  /** Empty: webhook configurations for validation are left as they are. */
  VALIDATION_WEBHOOK_CONFIG_NAME: z.string().default("istio-istio-system"),
  /** Namespaces beside the mesh's own whose identities may see every debug page. */
  DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES: envCommaList().default([]),
  TRUST_DOMAIN: z.string().default("cluster.local"),
  CLUSTER_ID: z.string().default("Kubernetes"),
  /** Further names of clusters in the `clusterid` of callers: `alias=cluster`, with commas between them. */
  CLUSTER_ALIASES: envCommaList()
    .refine((pairs) => pairs.every((pair) => /^[^=]+=[^=]+$/.test(pair)), "must be alias=cluster, with commas between")
    .transform((pairs) => new Map(pairs.map((pair) => pair.split("=", 2) as [string, string])))
    .default(new Map()),
  CLUSTER_DOMAIN: z.string().default("cluster.local"),
  ROOT_NAMESPACE: z.string().default("istio-system"),
  /** Of folders: public key (PEM) that verifies the tokens of callers. */
  TOKEN_KEY_FILE: z.string().default(""),
  TOKEN_AUDIENCE: z.string().default("istio-ca"),
  /** Tokens of the cluster must be meant for one of them. */
  TOKEN_AUDIENCES: envCommaList().default(["istio-ca"]),
  /** Tokens of another issuer are good too: JSON with `issuer`, `jwks_uri`, `audiences`. */
  JWT_RULE: z
    .string()
    .transform((text, context) => {
      const rule = text === "" ? null : parseTokenRule(text);
      if (rule === null || rule.ok) return rule?.value ?? null;
      context.addIssue({ code: "custom", message: rule.error.message });
      return z.NEVER;
    })
    .default(null),
  /** `namespace/serviceaccount` of node proxies: they may follow the mesh and ask for the identities of their node's pods. */
  CA_TRUSTED_NODE_ACCOUNTS: envCommaList().default(["istio-system/ztunnel"]),
  /** Further names of the control plane's own certificate. */
  SERVER_NAMES: envCommaList().default([]),
  SERVER_CERT_TTL: envDurationMs().default(86_400_000),
  DEFAULT_WORKLOAD_CERT_TTL: envDurationMs().default(86_400_000),
  MAX_WORKLOAD_CERT_TTL: envDurationMs().default(7_776_000_000),
  /** Of a root made here; how often it is looked at (0: never), and in which last share of its life it is renewed. */
  CITADEL_SELF_SIGNED_CA_CERT_TTL: envDurationMs().default(315_360_000_000),
  CITADEL_SELF_SIGNED_ROOT_CERT_CHECK_INTERVAL: envDurationMs().default(3_600_000),
  CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE: z.coerce.number().min(0).max(100).default(20),
  /** The least that a phase of a rotation lasts: kubelets write ConfigMaps into pods within so long. */
  LATEEN_CA_ROTATION_SETTLE: envDurationMs().default(120_000),
  /** Replicas do not look at the same time. */
  CITADEL_ENABLE_JITTER_FOR_ROOT_CERT_ROTATOR: envFlag().default(true),
  /** New streams taken per second; 0: by the number of CPUs. */
  PILOT_MAX_REQUESTS_PER_SECOND: z.coerce.number().min(0).default(0),
  /** After this long a client is asked to come back, so that replicas share the load; 0: never. */
  KEEPALIVE_MAX_SERVER_CONNECTION_AGE: envDurationMs().default(1_800_000),
  /** A client that does not read a response for so long is ended. */
  PILOT_XDS_SEND_TIMEOUT: envDurationMs().default(60_000),
  /** So is one that reads it and does not answer. */
  LATEEN_XDS_ANSWER_TIMEOUT: envDurationMs().default(300_000),
  /** The cluster's network where no label names it. */
  NETWORK: z.string().default(""),
  /** An Istio release whose behaviour is wanted where it differed. */
  COMPATIBILITY_VERSION: z.string().default(""),
  PILOT_AUTO_ALLOW_WAYPOINT_POLICY: envFlag().default(false),
  PILOT_ENABLE_K8S_SELECT_WORKLOAD_ENTRIES: envFlag().default(true),
  PILOT_ENABLE_SERVICEENTRY_SELECT_PODS: envFlag().default(true),
  ENABLE_INGRESS_WAYPOINT_ROUTING: envFlag().default(true),
  AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY: envFlag().default(false),
  /** Addresses for hosts of ServiceEntries that have none, and where they come from. */
  PILOT_ENABLE_IP_AUTOALLOCATE: envFlag().default(true),
  PILOT_IP_AUTOALLOCATE_IPV4_PREFIX: block(DEFAULT_POOLS[0]),
  PILOT_IP_AUTOALLOCATE_IPV6_PREFIX: block(DEFAULT_POOLS[1]),
  PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER: envFlag().default(true),
  PILOT_ENABLE_GATEWAY_API_GATEWAYCLASS_CONTROLLER: envFlag().default(true),
  PILOT_ENABLE_GATEWAY_API_STATUS: envFlag().default(true),
  PILOT_ENABLE_GATEWAY_API_COPY_LABELS_ANNOTATIONS: envFlag().default(true),
  PILOT_GATEWAY_API_CONTROLLER_NAME: z.string().min(1).default("istio.io/gateway-controller"),
  PILOT_GATEWAY_API_DEFAULT_GATEWAYCLASS_NAME: z.string().min(1).default("istio"),
  AMBIENT_ENABLE_MULTI_NETWORK: envFlag().default(false),
  /** Image of waypoints and gateways where the installation's values name no registry. */
  LATEEN_WAYPOINT_IMAGE: z.string().min(1).default("lateen-waypoint"),
  /**
   * What becomes of an AuthorizationPolicy that cannot be read and has no earlier state: `close` lets nobody in where it would
   * have restricted somebody, `ignore` leaves it out.
   */
  LATEEN_UNREADABLE_POLICY: z.enum(["close", "ignore"]).default("close"),
  /** See `ModelOptions.httpOnlyDeny` of @lateen/translation. */
  LATEEN_HTTP_ONLY_DENY: z.enum(["enforce", "as-istio"]).default("enforce"),
  LOG_LEVEL: z.string().default("info"),
  LOG_FORMAT: z.enum(["text", "json"]).default("text"),
});
export type Config = Readonly<z.output<typeof Env>> & { readonly source: (typeof SOURCES)[number] };

/** @returns BAD_INPUT naming every variable that is wrong */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Result<Config> {
  const parsed = parseEnv(Env, env);
  if (!parsed.ok) return parsed;
  const source = sourceOf(parsed.value);
  const required = source === "folder" ? (["CONFIG_DIRS", "STATE_DIR", "TOKEN_KEY_FILE"] as const) : [];
  const missing = required.filter((name) => parsed.value[name].length === 0);
  if (missing.length === 0) return ok({ ...parsed.value, source });
  const problems = missing.map((name) => `${name}: is required`).join("; ");
  return fail(new MeshError(Code.BadInput, `Cannot parse environment: ${problems}`, { problems: missing.length }));
}

function sourceOf(c: z.output<typeof Env>): Config["source"] {
  if (c.LATEEN_SOURCE !== undefined) return c.LATEEN_SOURCE;
  const cluster = c.KUBECONFIG !== "" || c.KUBERNETES_SERVICE_HOST !== "";
  return c.CONFIG_DIRS.length === 0 && cluster ? "kubernetes" : "folder";
}
