export { type Authority, parseAuthority } from "./authority.ts";
export { type Baggage, buildBaggage, parseBaggage } from "./baggage.ts";
export { isVisible } from "./best-service.ts";
export { dumpService, dumpStagedServices, dumpWorkload } from "./dump.ts";
export { buildForwarded, isFromOtherNetwork, originNetworkHeader, parseForwardedHost } from "./forwarded.ts";
export { type InboundQuery, type InboundRefusal, type InboundTarget, resolveInbound } from "./inbound.ts";
export { type Trace, formatGatewayDestination, formatWorkload, networkKey, serviceKey } from "./keys.ts";
export { type BalanceQuestion, type Candidate, balanceCandidates } from "./load-balance.ts";
export type {
  AddressUpdate,
  AppProtocol,
  ApplicationTunnel,
  GatewayAddress,
  GatewayDestination,
  LoadBalancing,
  LoadBalancingScope,
  Locality,
  NetworkAddress,
  PortMapping,
  Service,
  ServicePort,
  WeightedWaypoint,
  Workload,
} from "./model.ts";
export {
  type DeniedRoute,
  type DoubleHboneRoute,
  type HboneRoute,
  type OutboundQuery,
  type OutboundRoute,
  type ResolveRoute,
  type TcpRoute,
  describeRoute,
  pickWeightedWaypoint,
  routeOutbound,
} from "./outbound.ts";
export { type PortQuestion, type ServiceUse, resolveTargetPort } from "./target-port.ts";
export { type RouteContext, type Upstream, findUpstream } from "./upstream.ts";
export { type FoundAddress, type IdentityChange, type LocalPod, WorkloadStore } from "./workload-store.ts";
