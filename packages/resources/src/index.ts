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
export { LIMITS, type PlainCopy, plainCopy } from "./plain-copy.ts";
export {
  type CustomKind,
  type CustomKindName,
  type CustomSpecs,
  type PrinterColumn,
  customKinds,
} from "./crd/custom-kinds.ts";
export { type CrdMark, crdMarks } from "./crd/rule.ts";
export { parseGoDuration } from "./go-duration.ts";
export { atMost, schemaProblems } from "./schema-problems.ts";
export { checkSpec } from "./crd/check-spec.ts";
export { checkMeshPieces, checkMeshNetworks, type MeshPieces, type NetworkPieces } from "./mesh-pieces.ts";
export type { AuthorizationPolicySpec } from "./kinds/authorization-policy.ts";
export type { DestinationRuleSpec } from "./kinds/destination-rule.ts";
export type { EnvoyConfigPatch, EnvoyFilterSpec } from "./kinds/envoy-filter.ts";
export type { TrafficExtensionSpec, WasmPluginSpec } from "./kinds/extensions.ts";
export type {
  CorsPolicy,
  Destination,
  DirectResponse,
  HeaderOperations,
  Headers,
  HttpFault,
  HttpMatch,
  HttpRedirect,
  HttpRetry,
  HttpRewrite,
  HttpRoute,
  Percentage,
  StringMatch,
} from "./kinds/http-route.ts";
export type { GatewayServer, IstioGatewaySpec, ServerTls } from "./kinds/istio-gateway.ts";
export type { JwtRule, RequestAuthenticationSpec } from "./kinds/request-authentication.ts";
export type { ServiceEntrySpec } from "./kinds/service-entry.ts";
export type { SidecarEgress, SidecarIngress, SidecarPort, SidecarSpec } from "./kinds/sidecar.ts";
export type { TelemetrySpec } from "./kinds/telemetry.ts";
export type {
  ClientTls,
  ConnectionPool,
  LoadBalancer,
  LocalityLbSetting,
  OutlierDetection,
  PortTrafficPolicy,
  TrafficPolicy,
  ZoneAwareLbSetting,
} from "./kinds/traffic-policy.ts";
export type { TcpMatch, TcpRoute, TlsMatch, TlsRoute, VirtualServiceSpec } from "./kinds/virtual-service.ts";
export type { WorkloadGroupSpec } from "./kinds/workload-group.ts";
export type { LabelsSelector, TargetRef, WorkloadSelector } from "./istio-fields.ts";
export {
  type EntryVisibility,
  type MeshConfig,
  type MeshNetworks,
  parseMeshConfig,
  parseMeshNetworks,
} from "./mesh-config.ts";
export { STAND_IN_ANNOTATION, isStandIn, standInFor } from "./stand-in.ts";
export { type JwksUri, parseJwksUri } from "./jwks-uri.ts";
