export { type FieldProblem, formatPath } from "./field-problem.ts";
export type { Deployment, Namespace, Node, Pod, Service, ServiceAccount } from "./core-kinds.ts";
export { labelsMatch, selectorMatches } from "./label-selector.ts";
export type { LabelSelector, ObjectMeta } from "./metadata.ts";
export {
  type Kind,
  type ParsedResource,
  type Resource,
  type Resources,
  namespaceOf,
  parseResource,
  resourceKey,
  schemas,
} from "./parse-resource.ts";
export type { AuthorizationPolicy, AuthorizationRule, MtlsMode, PeerAuthentication } from "./security-kinds.ts";
export { DRY_RUN_ANNOTATION, isDryRun } from "./dry-run.ts";
export { LIMITS } from "./plain-copy.ts";
