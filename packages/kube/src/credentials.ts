import type { Agent } from "node:https";
import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { Code, MeshError } from "@lateen/errors";
import type { KubeConfig } from "@kubernetes/client-node";

/** What one request is sent with. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: {
    readonly ca?: string | undefined;
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
    readonly servername?: string | undefined;
    readonly rejectUnauthorized?: boolean | undefined;
  };
  /** Of a proxy, when the configuration names one. */
  readonly agent?: Agent | undefined;
}

/** Where the API server is, and how to prove oneself to it. */
export interface ClusterAccess {
  /** With the scheme; may hold a path. */
  readonly server: string;
  /** The namespace of the pod or of the context; empty when neither says. */
  readonly namespace: string;
  /** @param use `fresh`: the server refused what it was given, so nothing remembered counts */
  credentials(use: "remembered" | "fresh"): Promise<Credentials>;
}

const ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";
/** Tokens in pods are renewed long before they end; client-go reads them as often. */
const REREAD_MS = 60_000;

/**
 * A pod's own access, or null outside of one. It is read here and not by the client library: that costs 80 MB of memory once
 * loaded, and reads a renewed token late.
 */
export async function podAccess(
  env: Readonly<Record<string, string | undefined>>,
  o: { readonly nowMs: () => number; readonly folder?: string },
): Promise<ClusterAccess | null> {
  const host = env["KUBERNETES_SERVICE_HOST"];
  const port = env["KUBERNETES_SERVICE_PORT"] ?? "443";
  if (host === undefined || host === "") return null;
  const folder = o.folder ?? ACCOUNT_FOLDER;
  const namespace = await readFile(`${folder}/namespace`, "utf8").catch(() => null);
  if (namespace === null) return null; // no service account is mounted: this pod has no access
  return {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    namespace: namespace.trim(),
    credentials: tokenFile(folder, o.nowMs),
  };
}

function tokenFile(folder: string, nowMs: () => number): ClusterAccess["credentials"] {
  let last: { readonly atMs: number; readonly credentials: Credentials } | null = null;
  return async (use) => {
    if (use === "remembered" && last !== null && nowMs() - last.atMs < REREAD_MS) return last.credentials;
    const [token, ca] = await Promise.all([
      readFile(`${folder}/token`, "utf8"),
      readFile(`${folder}/ca.crt`, "utf8"),
    ]).catch((cause: unknown) => {
      throw new MeshError(
        Code.Unavailable,
        `Cannot read the service account in ${folder}: ${String(cause)}`,
        {},
        cause,
      );
    });
    last = { atMs: nowMs(), credentials: { headers: { authorization: `Bearer ${token.trim()}` }, tls: { ca } } };
    return last.credentials;
  };
}

/**
 * Access by kubeconfig: certificates, tokens, exec plugins, OIDC and proxies as kubectl knows them.
 * @param file path, or several of them as in `KUBECONFIG`
 * @param context instead of the current one
 * @throws MeshError BAD_INPUT when a file cannot be read or names no cluster
 */
export async function kubeconfigAccess(file: string, context?: string): Promise<ClusterAccess> {
  // Loaded on demand: most processes run in pods and never need it.
  const { KubeConfig } = await import("@kubernetes/client-node");
  const load = (): KubeConfig => {
    const config = new KubeConfig();
    const [first = "", ...others] = file.split(":").filter((path) => path !== "");
    config.loadFromFile(first);
    for (const path of others) {
      const more = new KubeConfig();
      more.loadFromFile(path);
      config.mergeConfig(more, true);
    }
    if (context !== undefined) config.setCurrentContext(context);
    return config;
  };
  let config = attempt(file, load);
  const cluster = config.getCurrentCluster();
  if (cluster === null)
    throw new MeshError(
      Code.BadInput,
      `Cannot use kubeconfig ${file}: context "${config.getCurrentContext()}" names no cluster`,
    );
  return {
    server: cluster.server,
    namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? "",
    async credentials(use) {
      if (use === "fresh") config = attempt(file, load);
      return readCredentials(config);
    },
  };
}

function attempt(file: string, load: () => KubeConfig): KubeConfig {
  try {
    return load();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MeshError(Code.BadInput, `Cannot read kubeconfig ${file}: ${why}`, {}, cause);
  }
}

async function readCredentials(config: KubeConfig): Promise<Credentials> {
  const options: Parameters<KubeConfig["applyToHTTPSOptions"]>[0] & Record<string, unknown> = { headers: {} };
  await config.applyToHTTPSOptions(options);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries((options.headers ?? {}) as Record<string, unknown>))
    headers[name.toLowerCase()] = String(value).trim();
  if (typeof options.auth === "string") headers["authorization"] ??= `Basic ${btoa(options.auth)}`;
  const proxied = config.getCurrentCluster()?.proxyUrl !== undefined;
  return {
    headers,
    tls: {
      ca: text(options["ca"]),
      cert: text(options["cert"]),
      key: text(options["key"]),
      servername: text(options["servername"]),
      rejectUnauthorized: options["rejectUnauthorized"] === false ? false : undefined,
    },
    agent: proxied ? (options["agent"] as Agent) : undefined,
  };
}

const text = (value: unknown): string | undefined =>
  value === undefined || value === null || value === "" ? undefined : String(value as string | Uint8Array);
