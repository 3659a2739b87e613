export { type Config, parseConfig } from "./config.ts";
export { type DiscoveryLimits, type DiscoveryOptions, DiscoveryService } from "./discovery/discovery-service.ts";
export { type GrpcListener, createGrpcServer, listenGrpc } from "./discovery/grpc-server.ts";
export { ResourceStore } from "./discovery/resource-store.ts";
export { PUSH_ORDER, ServedTypes, scopeOf } from "./discovery/served-types.ts";
export { type XdsMetrics, createXdsMetrics } from "./discovery/xds-metrics.ts";
export { MeshFeed } from "./mesh-feed.ts";
export { OptionalClientCertificate } from "./server-credentials.ts";
export { type ControlPlane, startControlPlane } from "./wire.ts";
