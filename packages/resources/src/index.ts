export { type ApiKind, apiKinds } from "./api-kinds.ts";
export { pruneResource } from "./prune-resource.ts";
export { type FieldProblem, formatPath } from "./field-problem.ts";
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
export type { AuthorizationPolicy, AuthorizationRule } from "./kinds/authorization-policy.ts";
export type { Deployment } from "./kinds/deployment.ts";
export type { EndpointSlice } from "./kinds/endpoint-slice.ts";
export type { Gateway, GatewayListener } from "./kinds/gateway.ts";
export type { GatewayClass } from "./kinds/gateway-class.ts";
export type { Namespace } from "./kinds/namespace.ts";
export type { Node } from "./kinds/node.ts";
export type { MtlsMode, PeerAuthentication } from "./kinds/peer-authentication.ts";
export type { Pod } from "./kinds/pod.ts";
export type { Service } from "./kinds/service.ts";
export type { ServiceAccount } from "./kinds/service-account.ts";
export { RESOLUTIONS, type Resolution, type ServiceEntry } from "./kinds/service-entry.ts";
export type { WorkloadEntry, WorkloadEntrySpec } from "./kinds/workload-entry.ts";
export { DRY_RUN_ANNOTATION, isDryRun } from "./dry-run.ts";
export { LIMITS } from "./plain-copy.ts";
export {
  type EntryVisibility,
  type MeshConfig,
  type MeshNetworks,
  parseMeshConfig,
  parseMeshNetworks,
} from "./mesh-config.ts";
export { STAND_IN_ANNOTATION, isStandIn, standInFor } from "./stand-in.ts";
export { type JwksUri, parseJwksUri } from "./jwks-uri.ts";
