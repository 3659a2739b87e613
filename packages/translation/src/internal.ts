// The stages of the model and their rules, for tests and tools that feed one of them alone.
export { conditionStage } from "./condition-stage.ts";
export { admitted, environment } from "./environment.ts";
export { networkGateways } from "./network-gateway.ts";
export { policyStage } from "./policy-stage.ts";
export { networkAddress } from "./service-entry.ts";
export { infoKey } from "./service-info.ts";
export { serviceStage } from "./service-stage.ts";
export { decideHost } from "./service-winners.ts";
export { serviceScope } from "./visibility.ts";
export { canaryRef, canaryWeight } from "./waypoint-canary.ts";
export { ingressUse } from "./waypoint-ref.ts";
export { type AllowedNamespaces, allowedNamespaces, inboundBinding, waypointKey } from "./waypoint.ts";
export { workloadStage } from "./workload-stage.ts";
