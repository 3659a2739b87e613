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
  monotonicClock,
  startReflector,
} from "./reflector.ts";
