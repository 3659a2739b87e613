export { type AllocationPlan, AddressAllocator, DEFAULT_POOLS, type HostAddress } from "./address-allocation.ts";
export { type PolicyConversion, type PolicyEffect, convertAuthorizationPolicy } from "./authorization-policy.ts";
export { canonicalService } from "./canonical-service.ts";
export { CONDITION_TYPES, type Condition, type ConditionType, type ObjectConditions, isWarning } from "./conditions.ts";
export type { ExternalName } from "./external-names.ts";
export { type Found, MeshLookup } from "./mesh-lookup.ts";
export { type MeshModel, meshModel } from "./mesh-model.ts";
export { type Behaviour, type ModelOptions, type ModelSettings, behaviourOf, modelOptions } from "./model-options.ts";
export { keyInKind } from "./objects.ts";
export {
  type EffectiveMtls,
  STATIC_STRICT,
  convertPeerAuthentication,
  effectiveMtls,
  mtlsPolicyKeys,
  oldest,
  staticStrict,
} from "./peer-authentication.ts";
export { podUid } from "./pod-workload.ts";
export type { PolicyReport, RuleReport } from "./policy-report.ts";
export type { TargetBinding } from "./policy-targets.ts";
export { type PortProtocol, appProtocol, parseProtocol, portProtocol } from "./port-protocol.ts";
export { type NamedPort, type ServiceInfo, type ServiceOrigin, hostKey, originKey } from "./service-info.ts";
export type { ServiceReport } from "./service-report.ts";
export type { Shadow } from "./service-stage.ts";
export { type ResourceChange, ResourceModel, applyChanges } from "./resource-model.ts";
export {
  FOLLOWED_KINDS,
  type FollowedKind,
  type MeshInputs,
  type MeshSources,
  isFollowed,
  meshInputs,
  putObject,
  removeObject,
} from "./sources.ts";
export type { Waypoint } from "./waypoint.ts";
export { REDIRECTION_ANNOTATION } from "./workload-base.ts";
