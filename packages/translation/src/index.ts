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
