export type {
  Authorization,
  AuthorizationAction,
  AuthorizationScope,
  Clause,
  Connection,
  Match,
  Rule,
  ServiceAccountMatch,
  StringMatch,
} from "./authorization.ts";
export {
  checkCondition,
  checkServiceAccountValues,
  checkTrustDomainValues,
  checkWildcardValues,
  valueMatches,
} from "./authorization-values.ts";
export { type ApplicablePolicies, type Decision, applicablePolicies, decide, policyKey } from "./decide.ts";
export { dumpAuthorization } from "./dump-authorization.ts";
export {
  type Explanation,
  type MatchFinding,
  type PolicyFinding,
  explainDecision,
  formatExplanation,
} from "./explain-decision.ts";
export { matchHolds, policyMatches } from "./judge-policy.ts";
export { stringMatches } from "./match.ts";
export { PolicyStore, type PolicyTarget } from "./policy-store.ts";
