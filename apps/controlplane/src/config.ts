import { envCommaList, envDurationMs, envFlag, parseEnv } from "@lateen/config";
import type { Result } from "@lateen/errors";
import { z } from "zod";

const Env = z.object({
  /** Folders of YAML, later ones override earlier ones. */
  CONFIG_DIRS: z
    .string()
    .transform((dirs) => dirs.split(":").filter((dir) => dir !== ""))
    .refine((dirs) => dirs.length > 0, "names no folder"),
  /** Holds the root of the authority (`ca/`, mode 0700) and publishes `root-cert.pem`. */
  STATE_DIR: z.string(),
  DISCOVERY_ADDRESS: z.string().default("[::]:15012"),
  READINESS_ADDRESS: z.string().default("[::]:8080"),
  /** Debug pages tell everything about the mesh, so they stay on the loopback. */
  DEBUG_ADDRESS: z.string().default("localhost:15014"),
  TRUST_DOMAIN: z.string().default("cluster.local"),
  CLUSTER_ID: z.string().default("Kubernetes"),
  CLUSTER_DOMAIN: z.string().default("cluster.local"),
  ROOT_NAMESPACE: z.string().default("istio-system"),
  /** Public key (PEM) that verifies the tokens of callers. */
  TOKEN_KEY_FILE: z.string(),
  TOKEN_AUDIENCE: z.string().default("istio-ca"),
  /** `namespace/serviceaccount` of node proxies: they may follow the mesh and ask for the identities of their node's pods. */
  CA_TRUSTED_NODE_ACCOUNTS: envCommaList().default(["istio-system/ztunnel"]),
  /** Further names of the control plane's own certificate. */
  SERVER_NAMES: envCommaList().default([]),
  SERVER_CERT_TTL: envDurationMs().default(86_400_000),
  DEFAULT_WORKLOAD_CERT_TTL: envDurationMs().default(86_400_000),
  MAX_WORKLOAD_CERT_TTL: envDurationMs().default(7_776_000_000),
  AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY: envFlag().default(false),
  /** See `PolicyConversion.httpOnlyDeny` of @lateen/translation. */
  LATEEN_HTTP_ONLY_DENY: z.enum(["enforce", "as-istio"]).default("enforce"),
  LOG_LEVEL: z.string().default("info"),
  LOG_FORMAT: z.enum(["text", "json"]).default("text"),
});
export type Config = Readonly<z.output<typeof Env>>;

/** @returns BAD_INPUT naming every variable that is wrong */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Result<Config> {
  return parseEnv(Env, env);
}
