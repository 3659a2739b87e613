export { type ApiFailure, failureError, formatFailure } from "./api-failure.ts";
export { type ApiResource, type ObjectRef, apiPath, apiVersionOf } from "./api-resource.ts";
export {
  DEFAULT_TIMING,
  type RawItem,
  type ReflectorEffect,
  type ReflectorInput,
  ReflectorMachine,
  type ReflectorNote,
  type ReflectorTiming,
  type WatchEvent,
} from "./reflector-machine.ts";
export { type ApiClient, type ApiRequest, createApiClient } from "./api-client.ts";
export { type ClusterAccess, type Credentials, kubeconfigAccess, podAccess } from "./credentials.ts";
export { type KubeMetrics, createKubeMetrics } from "./kube-metrics.ts";
export {
  type BadObject,
  type Decoded,
  type Reflector,
  type ReflectorChange,
  type ReflectorOptions,
  startReflector,
} from "./reflector.ts";
export { type Condition, type WantedCondition, planConditions, readConditions, renewConditions } from "./conditions.ts";
export { type Election, type ElectionOptions, joinElection } from "./leader-election.ts";
export {
  ISTIO_LEASE,
  type LeaseDecision,
  LeaseMachine,
  type LeaseRecord,
  type LeaseTiming,
  readLease,
} from "./lease-machine.ts";
export {
  type ApplyOptions,
  CONFIG_MAPS,
  CUSTOM_RESOURCE_DEFINITIONS,
  type CallOptions,
  LEASES,
  MUTATING_WEBHOOKS,
  type ObjectAccess,
  type OwnerReference,
  type PatchOperation,
  SECRETS,
  SERVICES,
  VALIDATING_WEBHOOKS,
  type WriteOptions,
  type WrittenObject,
  collectionPath,
  objectAccess,
  objectPath,
  resourceVersionOf,
  writtenAs,
} from "./objects.ts";
export { type StatusTarget, type StatusWriterOptions, createStatusWriter } from "./status-writer.ts";
export { type ReviewedToken, type TokenReviewOptions, createTokenReviewer } from "./token-review.ts";
export { type WorkOutcome, type WorkQueue, type WorkQueueOptions, createWorkQueue, workDone } from "./work-queue.ts";
export { monotonicClock } from "./monotonic-clock.ts";
export {
  type AboutBad,
  apiResourceOf,
  decoderOf,
  type ResourceFollower,
  type ResourceFollowerOptions,
  followResources,
} from "./resource-follower.ts";
