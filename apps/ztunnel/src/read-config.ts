import { type Result, ok } from "@lateen/errors";
import { type Config, parseConfig } from "./config.ts";
import { NO_PROXY_CONFIG, type ProxyConfig, mergeProxyConfig } from "./proxy-config.ts";

/** Where the mesh's configuration is mounted (dataplane 12.1). */
export const MESH_CONFIG_FILE = "./etc/istio/config/mesh";

/** Reads a text as YAML; the parser is loaded only when there is something to read. */
export async function readYaml(text: string): Promise<Result<unknown>> {
  const { parseYaml } = await import("@lateen/manifests");
  return parseYaml(text);
}

async function readProxyConfig(own: string, mesh: string): Promise<Result<ProxyConfig>> {
  if (own === "" && mesh === "") return ok(NO_PROXY_CONFIG);
  const documents: unknown[] = [];
  for (const text of [mesh, own]) {
    const value = text === "" ? ok(null) : await readYaml(text);
    if (!value.ok) return value;
    documents.push(value.value);
  }
  return mergeProxyConfig(documents[0], documents[1]);
}

/**
 * The configuration of a process: its environment over the mesh's configuration file.
 * @param readFile the content of a file, null when there is none
 * @returns BAD_INPUT naming everything that is wrong
 */
export async function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string | null,
): Promise<Result<Config>> {
  const proxyConfig = await readProxyConfig(env["PROXY_CONFIG"] ?? "", readFile(MESH_CONFIG_FILE) ?? "");
  return proxyConfig.ok ? parseConfig(env, proxyConfig.value) : proxyConfig;
}
