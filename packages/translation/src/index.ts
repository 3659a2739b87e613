export { type PolicyConversion, type PolicyEffect, convertAuthorizationPolicy } from "./authorization-policy.ts";
export {
  type EffectiveMtls,
  STATIC_STRICT,
  convertPeerAuthentication,
  effectiveMtls,
  mtlsPolicyKeys,
  oldest,
  staticStrict,
} from "./peer-authentication.ts";
export { type MeshModel, type MeshModelOptions, type MeshSources, meshModel } from "./mesh-model.ts";
export { FOLLOWED_KINDS, type ResourceChange, ResourceModel, keyInKind } from "./resource-model.ts";
export {
  REDIRECTION_ANNOTATION,
  type WorkloadContext,
  type WorkloadOptions,
  podUid,
  podWorkload,
} from "./pod-workload.ts";
export { meshService, serviceHostname } from "./service-address.ts";
export { canonicalService } from "./canonical-service.ts";
export { type AppProtocol, type PortProtocol, appProtocol, parseProtocol, portProtocol } from "./port-protocol.ts";
