import {
  type ApiClient,
  CONFIG_MAPS,
  type Decoded,
  type KubeMetrics,
  type Reflector,
  startReflector,
} from "@lateen/kube";
import { parseMeshConfig, parseMeshNetworks } from "@lateen/resources";
import type { Logger } from "@lateen/telemetry";
import { checkMeshConfig, checkNetworks, formatReview } from "@lateen/validation";
import { parse } from "yaml";
import type { MeshSettings } from "../object-source.ts";

/** The ConfigMap of a revision's MeshConfig (control-plane 7.7). */
export const meshConfigMap = (revision: string): string => (revision === "default" ? "istio" : `istio-${revision}`);

/** Follows the mesh's configuration. One that cannot be used is told in the log, and the last good one stays. */
export function followMeshSettings(o: {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly revision: string;
  readonly onChange: (settings: MeshSettings | null) => void;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): Reflector<MeshSettings> {
  const reflector: Reflector<MeshSettings> = startReflector<MeshSettings>({
    client: o.client,
    resource: CONFIG_MAPS,
    namespace: o.namespace,
    fieldSelector: `metadata.name=${meshConfigMap(o.revision)}`,
    decode: readMeshSettings,
    onChange: () => o.onChange(settingsOf(reflector)),
    log: o.log,
    metrics: o.metrics,
  });
  return reflector;
}

export function settingsOf(reflector: Reflector<MeshSettings>): MeshSettings | null {
  const [first] = reflector.entries();
  return first?.[1] ?? null;
}

/** Of a problem that has many. */
const MAX_TOLD = 5;

/** Texts of people: everything about them may be wrong. */
export function readMeshSettings(raw: unknown): Decoded<MeshSettings> {
  const { data } = raw as { readonly data?: Readonly<Record<string, string>> };
  let mesh: unknown;
  let networks: unknown;
  try {
    mesh = parse(data?.["mesh"] ?? "", { maxAliasCount: 100 });
    networks = parse(data?.["meshNetworks"] ?? "", { maxAliasCount: 100 });
  } catch (error) {
    return { t: "bad", why: `its text is no YAML: ${String(error).slice(0, 300)}` };
  }
  const config = parseMeshConfig(mesh);
  if (!config.ok) return { t: "bad", why: config.error.message };
  const parsed = parseMeshNetworks(networks);
  if (!parsed.ok) return { t: "bad", why: parsed.error.message };
  const wrong = formatReview([...checkMeshConfig(mesh).errors, ...checkNetworks(networks).errors]);
  if (wrong.length > 0) return { t: "bad", why: `Cannot use MeshConfig: ${wrong.slice(0, MAX_TOLD).join("; ")}` };
  return { t: "good", value: { config: config.value, networks: parsed.value } };
}
