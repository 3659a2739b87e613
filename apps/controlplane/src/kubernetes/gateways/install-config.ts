import { DEFAULT_VALUES, type InstallValues, parseInstallValues } from "@lateen/gateway-deployment";
import {
  type ApiClient,
  CONFIG_MAPS,
  type Decoded,
  type KubeMetrics,
  type Reflector,
  startReflector,
} from "@lateen/kube";
import type { Logger } from "@lateen/telemetry";

/** Where the chart leaves the values that it was installed with, as JSON under `values` (control-plane 3.4). */
const configMapOf = (revision: string): string =>
  revision === "default" ? "istio-sidecar-injector" : `istio-sidecar-injector-${revision}`;

/** The installation's values, followed. Those that cannot be used are told in the log, and the last good ones stay. */
export interface InstallConfig extends Disposable {
  synced(o: { readonly signal: AbortSignal }): Promise<void>;
  values(): InstallValues;
}

export function followInstallValues(o: {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly revision: string;
  readonly onChange: () => void;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): InstallConfig {
  const reflector: Reflector<InstallValues> = startReflector<InstallValues>({
    ...{ client: o.client, log: o.log, metrics: o.metrics, namespace: o.namespace, resource: CONFIG_MAPS },
    fieldSelector: `metadata.name=${configMapOf(o.revision)}`,
    decode: readValues,
    onChange: o.onChange,
  });
  return {
    synced: (wait) => reflector.synced(wait),
    values: () => [...reflector.entries()][0]?.[1] ?? DEFAULT_VALUES,
    [Symbol.dispose]: () => reflector[Symbol.dispose](),
  };
}

function readValues(raw: unknown): Decoded<InstallValues> {
  const text = (raw as { readonly data?: Readonly<Record<string, string>> }).data?.["values"];
  if (text === undefined) return { t: "good", value: DEFAULT_VALUES };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { t: "bad", why: `its values are no JSON: ${String(error).slice(0, 200)}` };
  }
  const parsed = parseInstallValues(value);
  return parsed.ok ? { t: "good", value: parsed.value } : { t: "bad", why: parsed.error.message };
}
