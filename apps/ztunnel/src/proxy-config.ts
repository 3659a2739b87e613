import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { z } from "zod";

/** What we read of Istio's `ProxyConfig` (dataplane 12.1); null and empty: not said. */
export interface ProxyConfig {
  readonly discoveryAddress: string | null;
  readonly proxyAdminPort: number | null;
  readonly statsPort: number | null;
  readonly concurrency: number | null;
  /** As written, `ISTIO_META_` prefixes included. */
  readonly proxyMetadata: Readonly<Record<string, string>>;
}

export const NO_PROXY_CONFIG: ProxyConfig = {
  discoveryAddress: null,
  proxyAdminPort: null,
  statsPort: null,
  concurrency: null,
  proxyMetadata: {},
};

const port = z.number().int().min(1).max(65_535).nullish();
/** Other keys are Envoy's; a document that sets them is none of our concern. */
const Given = z.object({
  discoveryAddress: z.string().nullish(),
  proxyAdminPort: port,
  statsPort: port,
  concurrency: z.number().int().min(0).max(1_024).nullish(),
  proxyMetadata: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String)).nullish(),
});
const Mesh = z.object({ defaultConfig: Given.nullish() });

/** Puts `over` on top: what it says wins, metadata by key. */
function merge(under: ProxyConfig, over: z.output<typeof Given>): ProxyConfig {
  return {
    discoveryAddress: over.discoveryAddress ?? under.discoveryAddress,
    proxyAdminPort: over.proxyAdminPort ?? under.proxyAdminPort,
    statsPort: over.statsPort ?? under.statsPort,
    concurrency: over.concurrency ?? under.concurrency,
    proxyMetadata: { ...under.proxyMetadata, ...over.proxyMetadata },
  };
}

/**
 * The proxy's configuration out of the mesh's `defaultConfig` and, over it, the proxy's own document.
 * @param meshConfig the content of the mesh configuration file; null: there is none
 * @param proxyConfig the content of `PROXY_CONFIG`; null: not set
 * @returns BAD_INPUT naming each field that is wrong and the document it stands in
 */
export function mergeProxyConfig(meshConfig: unknown, proxyConfig: unknown): Result<ProxyConfig> {
  const mesh = Mesh.safeParse(meshConfig ?? {});
  const own = Given.safeParse(proxyConfig ?? {});
  const problems = [
    ...(mesh.success ? [] : mesh.error.issues.map((i) => `mesh configuration: ${i.path.join(".")}: ${i.message}`)),
    ...(own.success ? [] : own.error.issues.map((i) => `PROXY_CONFIG: ${i.path.join(".")}: ${i.message}`)),
  ];
  if (!mesh.success || !own.success)
    return fail(new MeshError(Code.BadInput, `Cannot parse proxy configuration: ${problems.join("; ")}`));
  return ok(merge(merge(NO_PROXY_CONFIG, mesh.data.defaultConfig ?? {}), own.data));
}
