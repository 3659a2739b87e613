import { type CustomKind, customKinds } from "@lateen/resources";
import type { Registry } from "@lateen/telemetry";
import type { ReviewedAdmission } from "@lateen/validation";

/** What the webhook counts, under Istio's names. @see control-plane 9.3 */
export interface ValidationMetrics {
  reviewed(review: Pick<ReviewedAdmission, "allowed" | "group" | "version" | "resource" | "reason">): void;
  httpError(status: number): void;
}

const RESOURCE = ["group", "version", "resource"] as const;
/** Whatever else somebody sends is counted as one, so that series stay few. */
const KINDS: ReadonlySet<string> = new Set(
  Object.values<CustomKind>(customKinds).flatMap(({ group, versions, plural }) =>
    versions.map((version) => `${group}/${version}/${plural}`),
  ),
);
const OTHER = { group: "other", version: "", resource: "" };

export function createValidationMetrics(registry: Registry): ValidationMetrics {
  const passed = registry.counter({ name: "galley_validation_passed", help: "Objects taken", labels: RESOURCE });
  const failed = registry.counter({
    name: "galley_validation_failed",
    help: "Objects refused",
    labels: [...RESOURCE, "reason"],
  });
  const errors = registry.counter({
    name: "galley_validation_http_error",
    help: "Requests to the webhook that were no reviews",
    labels: ["status"],
  });
  return {
    reviewed({ allowed, reason, group, version, resource }) {
      const of = KINDS.has(`${group}/${version}/${resource}`) ? { group, version, resource } : OTHER;
      if (allowed) passed.with(of).inc();
      else failed.with({ ...of, reason }).inc();
    },
    httpError: (status) => errors.with({ status: String(status) }).inc(),
  };
}
