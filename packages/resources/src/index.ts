export type { Deployment, Namespace, Node, Pod, Service, ServiceAccount } from "./core-kinds.ts";
export { labelsMatch, selectorMatches } from "./label-selector.ts";
export type { LabelSelector, ObjectMeta } from "./metadata.ts";
export {
  type FieldProblem,
  type Kind,
  type ParsedResource,
  type Resource,
  type Resources,
  formatPath,
  namespaceOf,
  parseResource,
  resourceKey,
  schemas,
} from "./parse-resource.ts";
export type { AuthorizationPolicy, AuthorizationRule, MtlsMode, PeerAuthentication } from "./security-kinds.ts";
