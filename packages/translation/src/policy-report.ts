import { type AuthorizationPolicy, type AuthorizationRule, isStandIn } from "@lateen/resources";
import { type PolicyEffect, httpAttributesOf } from "./authorization-policy.ts";
import { keyOf } from "./objects.ts";
import type { TargetBinding } from "./policy-targets.ts";

/** Who enforces one rule of a policy, and how much of it. */
export interface RuleReport {
  readonly index: number;
  readonly enforcedBy: "ztunnel" | "waypoint" | "nobody";
  /** `part`: without what is listed, so that more is denied than was asked for. */
  readonly extent: "whole" | "part" | "none";
  /** What of the rule is not enforced. */
  readonly dropped: readonly string[];
  readonly why: string;
}

/** What a policy effectively does, rule by rule. */
export interface PolicyReport {
  /** `namespace/name`. */
  readonly key: string;
  readonly action: AuthorizationPolicy["spec"]["action"];
  readonly reach: "mesh" | "namespace" | "selected workloads" | "targets";
  /** What node proxies make of it; null when it is for waypoints. */
  readonly ztunnel: PolicyEffect | null;
  readonly targets: readonly TargetBinding[];
  readonly rules: readonly RuleReport[];
  /** One sentence. */
  readonly summary: string;
}

/** @param targets where each of its targets is served; empty: the policy is for node proxies */
export function policyReport(
  policy: AuthorizationPolicy,
  effect: PolicyEffect,
  targets: readonly TargetBinding[],
): PolicyReport {
  const { action, rules = [] } = policy.spec;
  // Whoever wonders why nobody gets in is told that these are not the words of the policy.
  const whose = isStandIn(policy) ? "stands in for one that cannot be read: " : "";
  const reports = rules.map((rule, index) =>
    targets.length > 0 ? atWaypoints(index, targets) : atNodeProxy(index, rule, { action, effect }),
  );
  return {
    key: keyOf(policy),
    action,
    reach: targets.length > 0 ? "targets" : reachOf(policy, effect),
    ztunnel: targets.length > 0 ? null : effect,
    targets,
    rules: reports,
    summary: `${whose}${summaryOf(action, effect, targets, reports)}`,
  };
}

function reachOf(policy: AuthorizationPolicy, effect: PolicyEffect): PolicyReport["reach"] {
  if (policy.spec.selector !== undefined) return "selected workloads";
  return effect.authorization?.scope === "Global" ? "mesh" : "namespace";
}

function atWaypoints(index: number, targets: readonly TargetBinding[]): RuleReport {
  const bound = targets.filter((t) => t.bound);
  if (bound.length === 0)
    return { index, enforcedBy: "nobody", extent: "none", dropped: [], why: "no target is behind a waypoint" };
  return { index, enforcedBy: "waypoint", extent: "whole", dropped: [], why: "" };
}

function atNodeProxy(
  index: number,
  rule: AuthorizationRule,
  { action, effect }: { readonly action: PolicyReport["action"]; readonly effect: PolicyEffect },
): RuleReport {
  if (effect.authorization === null)
    return { index, enforcedBy: "nobody", extent: "none", dropped: [], why: effect.message };
  const dropped = [...new Set(httpAttributesOf(rule))].sort();
  if (dropped.length === 0) return { index, enforcedBy: "ztunnel", extent: "whole", dropped, why: "" };
  if (action === "DENY")
    return {
      index,
      enforcedBy: "ztunnel",
      extent: "part",
      dropped,
      why: "enforced without its HTTP attributes: it denies more than it says",
    };
  return {
    index,
    enforcedBy: "nobody",
    extent: "none",
    dropped,
    why: "left out, because nothing at L4 can tell these: less is allowed than it says",
  };
}

function summaryOf(
  action: PolicyReport["action"],
  effect: PolicyEffect,
  targets: readonly TargetBinding[],
  rules: readonly RuleReport[],
): string {
  if (targets.length > 0) {
    const bound = targets.filter((t) => t.bound).length;
    return bound === 0
      ? "has no effect: no target is behind a waypoint"
      : `enforced by waypoints for ${bound} of ${targets.length} targets`;
  }
  if (effect.authorization === null) return `has no effect: ${effect.message}`;
  if (effect.authorization.rules.length === 0)
    return action === "DENY" ? "has no effect: there is no rule that could deny" : "allows nobody";
  const kept = rules.filter((r) => r.enforcedBy === "ztunnel");
  const parts = kept.filter((r) => r.extent === "part").length;
  const whole = `${kept.length} of ${rules.length} rules enforced by node proxies`;
  return parts === 0 ? whole : `${whole}, ${parts} of them denying more than they say`;
}
