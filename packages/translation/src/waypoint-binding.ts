import type { Collection, Fetch } from "@lateen/collections";
import type { GatewayAddress } from "@lateen/workload-model";
import type { Environment } from "./environment.ts";
import type { Labels } from "./objects.ts";
import { canaryRef, canaryWeight } from "./waypoint-canary.ts";
import { ingressUse, waypointRef, type WaypointRef } from "./waypoint-ref.ts";
import { type Waypoint, allowsNamespace, isWaypointPart, waypointKey } from "./waypoint.ts";

export type BindingReason =
  | "WaypointIsNotReady"
  | "AttachmentDenied"
  | "UnsupportedTrafficType"
  | "CrossNamespaceWaypointForbidden"
  | "CanaryInvalidWeight"
  | "CanarySameAsPrimary";

/** Why an object is not bound to the waypoint that it asks for. */
export interface BindingProblem {
  readonly reason: BindingReason;
  readonly message: string;
}

/** A waypoint as those bound to it see it. */
export interface BoundWaypoint {
  /** `namespace/name` of its Gateway. */
  readonly key: string;
  readonly address: GatewayAddress;
}

/** What came of an object's wish for a waypoint. */
export interface WaypointBinding {
  readonly waypoint: BoundWaypoint | null;
  /** Set when there was a wish that is not fulfilled. */
  readonly problem: BindingProblem | null;
  /** A second waypoint for a share of the connections. */
  readonly canary: (BoundWaypoint & { readonly weight: number }) | null;
  /** A problem of the canary; the first waypoint stays bound. */
  readonly canaryProblem: BindingProblem | null;
  readonly ingress: { readonly said: boolean; readonly useWaypoint: boolean };
}

export const UNBOUND: WaypointBinding = {
  waypoint: null,
  problem: null,
  canary: null,
  canaryProblem: null,
  ingress: { said: false, useWaypoint: false },
};

export interface Bindable {
  readonly namespace: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly traffic: "service" | "workload";
  /** Whether it may only be seen in its own namespace, and so only be served there. */
  readonly ownNamespaceOnly: boolean;
}

export interface Waypoints {
  readonly waypoints: Collection<Waypoint>;
  readonly env: Environment;
}

const NO_LABELS: Labels = {};

/**
 * The waypoint of an object: its own label decides, else its Namespace's; what cannot be used is never replaced by another.
 * @see control-plane 3.3
 */
export function bindWaypoint(object: Bindable, fetch: Fetch, at: Waypoints): WaypointBinding {
  if (isWaypointPart(object.labels)) return UNBOUND;
  const namespace = fetch(at.env.namespaces, object.namespace);
  const own = waypointRef(object.labels, object.namespace);
  const wish = own ?? waypointRef(namespace?.labels ?? NO_LABELS, object.namespace);
  if (wish === null || wish === "none") return UNBOUND;
  const attempt: Attempt = { object, labels: namespace?.labels ?? NO_LABELS, fetch, at };
  const found = attach(wish, attempt);
  if ("reason" in found) {
    const silent = own === null && object.traffic === "workload" && found.reason === "UnsupportedTrafficType";
    return silent ? UNBOUND : { ...UNBOUND, problem: found };
  }
  const canary = object.traffic === "service" ? canaryOf(found, attempt, namespace?.annotations ?? NO_LABELS) : null;
  return {
    waypoint: found,
    problem: null,
    canary: canary !== null && !("reason" in canary) ? canary : null,
    canaryProblem: canary !== null && "reason" in canary ? canary : null,
    ingress: ingressUse(object.labels, attempt.labels),
  };
}

interface Attempt {
  readonly object: Bindable;
  /** Of the object's Namespace. */
  readonly labels: Labels;
  readonly fetch: Fetch;
  readonly at: Waypoints;
}

function attach(ref: WaypointRef, { object, labels, fetch, at }: Attempt): BoundWaypoint | BindingProblem {
  const key = waypointKey(ref);
  if (object.ownNamespaceOnly && ref.namespace !== object.namespace)
    return {
      reason: "CrossNamespaceWaypointForbidden",
      message: `waypoint ${key} is of another namespace, and the object is only visible in its own`,
    };
  const waypoint = fetch(at.waypoints, key);
  if (waypoint === undefined)
    return { reason: "WaypointIsNotReady", message: `waypoint ${key} does not exist or has no address yet` };
  if (!allowsNamespace(waypoint, object.namespace, labels))
    return {
      reason: "AttachmentDenied",
      message: `waypoint ${key} does not serve namespace ${object.namespace}: see allowedRoutes of its listener`,
    };
  if (waypoint.trafficType !== object.traffic && waypoint.trafficType !== "all")
    return {
      reason: "UnsupportedTrafficType",
      message: `waypoint ${key} does not serve traffic type ${object.traffic}: see its label istio.io/waypoint-for`,
    };
  return { key, address: waypoint.address };
}

function canaryOf(
  primary: BoundWaypoint,
  attempt: Attempt,
  namespaceAnnotations: Labels,
): WaypointBinding["canary"] | BindingProblem {
  const { object } = attempt;
  const ref = canaryRef(object.labels, attempt.labels, object.namespace);
  if (ref === null) return null;
  const key = waypointKey(ref);
  const weight = canaryWeight(object.annotations, namespaceAnnotations);
  if (weight === null)
    return {
      reason: "CanaryInvalidWeight",
      message: `the weight of canary ${key} must be a whole number from 0 to 100`,
    };
  if (key === primary.key) return { reason: "CanarySameAsPrimary", message: `canary ${key} is the waypoint itself` };
  const found = attach(ref, attempt);
  return "reason" in found ? found : { ...found, weight };
}
