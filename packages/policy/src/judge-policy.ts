import type { Authorization, Connection, Match, Rule } from "./authorization.ts";
import { type MatchVerdict, judgeMatch } from "./match.ts";
import { Subject } from "./subject.ts";

/** Hears every match that was judged, in order. Evaluation stops at the first answer, so later matches are not heard. */
export type MatchSink = (rule: number, clause: number, match: number, verdict: MatchVerdict) => void;

const NO_RULE = -1;

/** All clauses hold; a clause holds when it has no match, or one that holds. */
function ruleHolds(rule: Rule, subject: Subject, sink: MatchSink | null, index: number): boolean {
  for (let c = 0; c < rule.clauses.length; c++) {
    const { matches } = rule.clauses[c]!;
    let held = matches.length === 0;
    for (let m = 0; m < matches.length && !held; m++) {
      const verdict = judgeMatch(matches[m]!, subject);
      if (sink !== null) sink(index, c, m, verdict);
      held = verdict.held;
    }
    if (!held) return false;
  }
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
