import type { DestinationRuleSpec } from "@lateen/resources";
import { checkSelector } from "./attachment.ts";
import { checkExportTo } from "./export-to.ts";
import { type Findings, forEachOf, quoted } from "./findings.ts";
import { isDnsLabel, labelsProblemOf, wildcardDomainProblem } from "./names.ts";
import type { ObjectContext } from "./object-context.ts";
import { checkTrafficPolicy } from "./traffic-policy.ts";

export const subsetProblem = (name: string): string | null =>
  isDnsLabel(name) ? null : `${quoted(name)} is not the name of a subset`;

/** @see l7 3.9 */
export function checkDestinationRule(spec: DestinationRuleSpec, f: Findings, object: ObjectContext): void {
  f.at("host").check(wildcardDomainProblem(spec.host));
  checkTrafficPolicy(spec.trafficPolicy, f.at("trafficPolicy"), object);
  const seen = new Set<string>();
  forEachOf(spec.subsets, f.at("subsets"), (subset, at) => {
    if (seen.has(subset.name)) at.at("name").error(`${quoted(subset.name)} stands twice`);
    seen.add(subset.name);
    at.at("name").check(subsetProblem(subset.name));
    at.at("labels").check(labelsProblemOf(subset.labels));
    checkTrafficPolicy(subset.trafficPolicy, at.at("trafficPolicy"), object);
  });
  const onlyOwn = spec.workloadSelector !== undefined;
  checkExportTo(spec.exportTo, f.at("exportTo"), { namespace: object.namespace, onlyOwn });
  checkSelector(spec.workloadSelector, f.at("workloadSelector"));
}
