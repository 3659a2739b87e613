import { formatSocketAddress } from "@lateen/addresses";
import type { Authorization, AuthorizationAction, Connection, Match } from "./authorization.ts";
import { type ApplicablePolicies, type Decision, decide, policyKey } from "./decide.ts";
import { describeAttribute } from "./describe.ts";
import { matchingRule } from "./judge-policy.ts";
import type { MatchVerdict } from "./match.ts";
import { Subject } from "./subject.ts";

/** Why one match held or did not. */
export interface MatchFinding {
  readonly rule: number;
  readonly clause: number;
  readonly match: number;
  readonly held: boolean;
  /** In words, with the policy's values and the connection's. */
  readonly because: string;
}

/** What one applicable policy said about the connection. */
export interface PolicyFinding {
  readonly policy: string;
  readonly action: AuthorizationAction;
  readonly dryRun: boolean;
  readonly matched: boolean;
  /** Index of the rule that held; null when none did. */
  readonly rule: number | null;
  /** In words: what this policy means for the connection. */
  readonly says: string;
  /** The matches that were judged, in order. */
  readonly findings: readonly MatchFinding[];
}

export interface Explanation {
  readonly decision: Decision;
  /** Every applicable policy: DENY, then ALLOW, then dry-run. */
  readonly policies: readonly PolicyFinding[];
  readonly unknown: readonly string[];
}

function because(match: Match, verdict: MatchVerdict, subject: Subject, connection: Connection): string {
  if (verdict.why === "empty") return "the match names nothing, so it never holds";
  if (verdict.attribute === null) return "every attribute holds";
  const { asked, is } = describeAttribute(match, verdict, subject, connection);
  return verdict.why === "none-hit" ? `${is} is not ${asked}` : `${is} is excluded by ${asked}`;
}

function says(policy: Authorization, rule: number): string {
  const verb = policy.action === "Deny" ? "denies" : "allows";
  const would = policy.dryRun ? `would have been judged: ${verb}` : verb;
  if (rule >= 0 && policy.rules[rule]?.clauses.length === 0) return `${would}: rule ${rule} names no condition`;
  if (rule >= 0) return `${would}: rule ${rule} holds`;
  if (policy.rules.length === 0) return "has no rules, so it never matches";
  return policy.action === "Deny" ? "does not deny: no rule holds" : "does not allow: no rule holds";
}

function explainPolicy(policy: Authorization, subject: Subject, connection: Connection): PolicyFinding {
  const findings: MatchFinding[] = [];
  const rule = matchingRule(policy, subject, (r, c, m, verdict) => {
    const match = policy.rules[r]?.clauses[c]?.matches[m];
    if (!match) return;
    findings.push({
      rule: r,
      clause: c,
      match: m,
      held: verdict.held,
      because: because(match, verdict, subject, connection),
    });
  });
  return {
    policy: policyKey(policy),
    action: policy.action,
    dryRun: policy.dryRun,
    matched: rule >= 0,
    rule: rule >= 0 ? rule : null,
    says: says(policy, rule),
    findings,
  };
}

/** The decision of `decide`, with what every applicable policy said and why; from the same evaluation. */
export function explainDecision(policies: ApplicablePolicies, connection: Connection): Explanation {
  const subject = new Subject(connection);
  const all = [...policies.deny, ...policies.allow, ...policies.dryRun];
  return {
    decision: decide(policies, connection),
    policies: all.map((p) => explainPolicy(p, subject, connection)),
    unknown: policies.unknown,
  };
}

/** An explanation as indented lines, for people. */
export function formatExplanation(explanation: Explanation, connection: Connection): readonly string[] {
  const { decision } = explanation;
  const to = formatSocketAddress(connection.destination);
  return [
    `policy ${decision.allow ? "allows" : "refuses"} the connection to ${to}: ${decision.reason}`,
    ...explanation.policies.flatMap((p) => [
      `  ${p.policy} (${p.action.toUpperCase()}${p.dryRun ? ", dry run" : ""}) ${p.says}`,
      ...p.findings.map((f) => `    rule ${f.rule}, clause ${f.clause}, match ${f.match}: ${f.because}`),
    ]),
    ...explanation.unknown.map((key) => `  ${key} is named by the workload but unknown, so it is skipped`),
  ];
}
