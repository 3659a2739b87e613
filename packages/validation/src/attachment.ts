import type { LabelsSelector, TargetRef, WorkloadSelector } from "@lateen/resources";
import { type Findings, forEachOf, quoted } from "./findings.ts";

/** What a policy can be bound to, by group and kind. @see control-plane 4.3 */
const TARGETS: ReadonlySet<string> = new Set([
  "core/Service",
  "networking.istio.io/ServiceEntry",
  "gateway.networking.k8s.io/Gateway",
  "gateway.networking.k8s.io/GatewayClass",
]);

export interface Attached {
  readonly selector?: WorkloadSelector | undefined;
  readonly targetRef?: TargetRef | undefined;
  readonly targetRefs?: readonly TargetRef[] | undefined;
}

/** What a policy is bound to: that only one thing says so is a rule of its schema. */
export function checkAttachment(spec: Attached, f: Findings): void {
  checkSelector(spec.selector, f.at("selector"));
  if (spec.targetRef !== undefined) checkTarget(spec.targetRef, f.at("targetRef"));
  forEachOf(spec.targetRefs, f.at("targetRefs"), checkTarget);
}

function checkTarget(target: TargetRef, f: Findings): void {
  const group = target.group === undefined || target.group === "" ? "core" : target.group;
  if (TARGETS.has(`${group}/${target.kind}`)) return;
  f.error(
    `must be a Service, a ServiceEntry, a Gateway or a GatewayClass with its group, not ${quoted(target.kind)} of ${quoted(group)}`,
  );
}

export function checkSelector(selector: WorkloadSelector | undefined, f: Findings): void {
  if (selector !== undefined && Object.keys(selector.matchLabels ?? {}).length === 0)
    f.warn("selects every workload: it names no labels");
}

/** The older form of a selector. */
export function checkLabelsSelector(selector: LabelsSelector | undefined, f: Findings): void {
  const labels = Object.keys(selector?.labels ?? {});
  if (labels.includes("")) f.error("a label without a key selects nothing");
  if (labels.some((key) => key.includes("*"))) f.error("wildcards are not supported in keys of labels");
  if (selector !== undefined && labels.length === 0) f.warn("selects every workload: it names no labels");
}
