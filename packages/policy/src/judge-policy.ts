import type { Authorization, Clause, Connection, Match, Rule } from "./authorization.ts";
import { type MatchVerdict, judgeMatch } from "./match.ts";
import { Subject } from "./subject.ts";

/** Hears every match that was judged, in order. Evaluation stops at the first answer, so later matches are not heard. */
export type MatchSink = (rule: number, clause: number, match: number, verdict: MatchVerdict) => void;

const NO_RULE = -1;

function clauseHolds(clause: Clause, subject: Subject, sink: MatchSink | null, rule: number, index: number): boolean {
  if (clause.matches.length === 0) return true;
  for (let i = 0; i < clause.matches.length; i++) {
    const verdict = judgeMatch(clause.matches[i]!, subject);
    if (sink !== null) sink(rule, index, i, verdict);
    if (verdict.held) return true;
  }
  return false;
}

function ruleHolds(rule: Rule, subject: Subject, sink: MatchSink | null, index: number): boolean {
  for (let i = 0; i < rule.clauses.length; i++)
    if (!clauseHolds(rule.clauses[i]!, subject, sink, index, i)) return false;
  return true;
}

/**
 * The index of the first rule that holds, or -1. A policy without rules never matches; a rule without clauses always
 * holds; a clause without matches holds.
 * @see dataplane 7.4
 */
export function matchingRule(policy: Authorization, subject: Subject, sink: MatchSink | null): number {
  for (let i = 0; i < policy.rules.length; i++) if (ruleHolds(policy.rules[i]!, subject, sink, i)) return i;
  return NO_RULE;
}

/** Whether the policy says anything about the connection, whatever its action. */
export function policyMatches(policy: Authorization, connection: Connection): boolean {
  return matchingRule(policy, new Subject(connection), null) !== NO_RULE;
}

/** Whether one match holds for the connection. */
export function matchHolds(match: Match, connection: Connection): boolean {
  return judgeMatch(match, new Subject(connection)).held;
}
