export { type Authority, type AuthorityOptions, type SignOptions, openAuthority } from "./authority.ts";
export { type BundleFollower, type BundleFollowerOptions, createBundleFollower } from "./bundle-follower.ts";
export { BundlePlan, type BundleEffect, type BundleInput, type BundlePlanOptions } from "./bundle-plan.ts";
export { type CaClient, type CaClientOptions, createCaClient } from "./ca-client.ts";
export { type CaServiceOptions, type Refusal, caService, createCertificate } from "./ca-service.ts";
export {
  type Authentication,
  type Caller,
  type Proof,
  authenticateCaller,
  bearerToken,
  localTokenVerifier,
} from "./caller.ts";
export { type ClusterNames, resolveCluster } from "./cluster-names.ts";
export {
  type CertificateDump,
  type CertificateDumpItem,
  type IdentityManager,
  type IdentityManagerOptions,
  type IdentityState,
  dumpCertificates,
  startIdentityManager,
} from "./identity-manager.ts";
export { IdentityPlan, type PlanEffect, type PlanInput, type PlanOptions, type Validity } from "./identity-plan.ts";
export { type ImpersonationRules, type PodFacts, type PodView, checkImpersonation } from "./impersonation.ts";
export {
  type SignTokenOptions,
  type TokenSubject,
  type VerifyTokenOptions,
  generateTokenKey,
  isMeantFor,
  signLocalToken,
  verifyLocalToken,
} from "./local-token.ts";
export { readRootPem, readToken } from "./given-secrets.ts";
export { replaceFile } from "./private-folder.ts";
export type { Holder, Issued } from "./issue-record.ts";
export {
  type GateOptions,
  type Rotation,
  type RotationClients,
  type RotationPhase,
  rotationGate,
} from "./rotation-machine.ts";
export { CA_FILES, type KeyStore } from "./root-store.ts";
export { splitBundle } from "./successor.ts";
export { watchKeyFolder } from "./watch-key-folder.ts";
export { type SecureChannel, type SecureChannelOptions, secureChannel } from "./secure-channel.ts";
export { type AnswerOptions, type WorkloadCertificate, normalRoots, readAnswer } from "./workload-certificate.ts";
