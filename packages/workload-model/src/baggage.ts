import type { Workload } from "./model.ts";

/** What a peer says about its workload; only for metrics, never for authorization. Null: it did not say. */
export interface Baggage {
  readonly clusterId: string | null;
  readonly namespace: string | null;
  readonly workloadType: string | null;
  readonly workloadName: string | null;
  readonly serviceName: string | null;
  readonly revision: string | null;
  readonly region: string | null;
  readonly zone: string | null;
}

const TYPES = ["deployment", "cronjob", "pod", "job"] as const;
const FIELD = new Map<string, keyof Baggage>([
  ["k8s.cluster.name", "clusterId"],
  ["k8s.namespace.name", "namespace"],
  ["service.name", "serviceName"],
  ["service.version", "revision"],
  ["cloud.region", "region"],
  ["cloud.availability_zone", "zone"],
]);
const TYPE_OF = new Map<string, string>(TYPES.map((t) => [`k8s.${t}.name`, t]));
/** Longer header lines are ignored: they describe nobody. */
const MAX_BAGGAGE = 8_192;

/** The `baggage` header that describes a workload; empty values are left out. @see dataplane 5.5 */
export function buildBaggage(w: Workload): string {
  const pairs: readonly (readonly [string, string])[] = [
    ["k8s.cluster.name", w.clusterId],
    ["k8s.namespace.name", w.namespace],
    [`k8s.${w.workloadType.toLowerCase()}.name`, w.workloadName],
    ["service.name", w.canonicalName],
    ["service.version", w.canonicalRevision],
    ["cloud.region", w.locality?.region ?? ""],
    ["cloud.availability_zone", w.locality?.zone ?? ""],
  ];
  return pairs
    .filter(([, value]) => value !== "")
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

/** Reads every `baggage` header line; unknown keys are ignored and empty values count as absent. @see dataplane 5.5 */
export function parseBaggage(lines: readonly string[]): Baggage {
  const out: Record<keyof Baggage, string | null> = {
    clusterId: null,
    namespace: null,
    workloadType: null,
    workloadName: null,
    serviceName: null,
    revision: null,
    region: null,
    zone: null,
  };
  for (const line of lines) {
    if (line.length > MAX_BAGGAGE) continue;
    for (const part of line.split(",")) {
      const at = part.indexOf("=");
      const [key, value] = at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)];
      const type = TYPE_OF.get(key);
      const field = type === undefined ? FIELD.get(key) : "workloadName";
      if (field === undefined) continue;
      out[field] = value === "" ? null : value;
      if (type !== undefined) out.workloadType = type;
    }
  }
  return out;
}
