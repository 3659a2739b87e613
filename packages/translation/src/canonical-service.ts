type Labels = Readonly<Record<string, string>>;

const NAME_LABELS = ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"] as const;
const REVISION_LABELS = ["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"] as const;

const first = (labels: Labels, keys: readonly string[]): string | undefined =>
  keys.map((key) => labels[key]).find((value) => value !== undefined && value !== "");

/**
 * The service and version that telemetry counts a workload under.
 * @param labels of the workload
 * @param workloadName what it is called without labels
 * @see control-plane 2.3
 */
export function canonicalService(
  labels: Labels,
  workloadName: string,
): { readonly name: string; readonly revision: string } {
  return { name: first(labels, NAME_LABELS) ?? workloadName, revision: first(labels, REVISION_LABELS) ?? "latest" };
}
