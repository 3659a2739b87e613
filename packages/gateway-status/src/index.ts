export type { GatewayService, GatewayWorld, Labels, Material } from "./gateway-world.ts";
export { type PlannedStatus, planStatuses } from "./plan-statuses.ts";
export type { RouteParent } from "./route-status.ts";
export { refKey } from "./route-status.ts";
export type { GatewayStatus, ListenerStatus, StatusAddress, StatusCondition } from "./status-conditions.ts";
export {
  type ListenerSet,
  type ParentRef,
  ROUTE_KINDS,
  type ReferenceGrant,
  type Route,
  type RouteKind,
  readListenerSet,
  readReferenceGrant,
  readRoute,
} from "./status-objects.ts";
