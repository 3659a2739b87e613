import type { Authorization, Connection } from "./authorization.ts";
import { matchingRule } from "./judge-policy.ts";
import { Subject } from "./subject.ts";

/** The policies that apply to one workload, sorted by what they do. Made by `PolicyStore` or `applicablePolicies`. */
export interface ApplicablePolicies {
  readonly deny: readonly Authorization[];
  readonly allow: readonly Authorization[];
  /** Never decide; their matches are reported. DENY before ALLOW. */
  readonly dryRun: readonly Authorization[];
  /** Keys that the workload names and nobody delivered: worth a warning, usually transient. */
  readonly unknown: readonly string[];
}

/** The answer of L4 policy to one connection. */
export interface Decision {
  readonly allow: boolean;
  /** For people and logs; the refusals are spelled as ztunnel spells them (dataplane 7.3). */
  readonly reason: string;
  /** `namespace/name` of the policy that decided; null when it was decided by there being none, or none that matched. */
  readonly policy: string | null;
  /** Index of its rule that held. */
  readonly rule: number | null;
  /** Keys of dry-run policies that matched. */
  readonly dryRunMatches: readonly string[];
}

const NO_KEYS: readonly string[] = Object.freeze([]);
const NO_ALLOW: Decision = Object.freeze({
  allow: true,
  reason: "no allow policy applies",
  policy: null,
  rule: null,
  dryRunMatches: NO_KEYS,
});
const NOT_ALLOWED: Decision = Object.freeze({
  allow: false,
  reason: "allow policies exist, but none allowed",
  policy: null,
  rule: null,
  dryRunMatches: NO_KEYS,
});

/** The name by which workloads and the control plane refer to a policy. */
export function policyKey(policy: Pick<Authorization, "namespace" | "name">): string {
  return `${policy.namespace}/${policy.name}`;
}

/** Sorts policies for `decide`; their order within a group is kept. */
export function applicablePolicies(
  policies: readonly Authorization[],
  unknown: readonly string[] = NO_KEYS,
): ApplicablePolicies {
  const dryDeny = policies.filter((p) => p.dryRun && p.action === "Deny");
  const dryAllow = policies.filter((p) => p.dryRun && p.action === "Allow");
  return {
    deny: policies.filter((p) => !p.dryRun && p.action === "Deny"),
    allow: policies.filter((p) => !p.dryRun && p.action === "Allow"),
    dryRun: [...dryDeny, ...dryAllow],
    unknown,
  };
}

function enforced(policies: ApplicablePolicies, subject: Subject): Decision {
  for (const p of policies.deny) {
    const rule = matchingRule(p, subject, null);
    if (rule < 0) continue;
    const policy = policyKey(p);
    return { allow: false, reason: `explicitly denied by: ${policy}`, policy, rule, dryRunMatches: NO_KEYS };
  }
  if (policies.allow.length === 0) return NO_ALLOW;
  for (const p of policies.allow) {
    const rule = matchingRule(p, subject, null);
    if (rule < 0) continue;
    const policy = policyKey(p);
    return { allow: true, reason: `allowed by: ${policy}`, policy, rule, dryRunMatches: NO_KEYS };
  }
  return NOT_ALLOWED;
}

/**
 * Decides one connection: any DENY that matches refuses; else without ALLOW policies it is let through; else one ALLOW
 * must match. Allocates the compared forms of the connection and the decision, nothing per policy, rule or match.
 * @see dataplane 7.3
 */
export function decide(policies: ApplicablePolicies, connection: Connection): Decision {
  if (policies.deny.length + policies.allow.length + policies.dryRun.length === 0) return NO_ALLOW;
  const subject = new Subject(connection);
  const decision = enforced(policies, subject);
  if (policies.dryRun.length === 0) return decision;
  const dryRunMatches = policies.dryRun.filter((p) => matchingRule(p, subject, null) >= 0).map(policyKey);
  return dryRunMatches.length === 0 ? decision : { ...decision, dryRunMatches };
}
