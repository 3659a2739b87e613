import type { Labels } from "./objects.ts";
import { NONE, USE_WAYPOINT, type WaypointRef } from "./waypoint-ref.ts";

const CANARY = "istio.io/use-waypoint-canary";
const CANARY_NAMESPACE = "istio.io/use-waypoint-canary-namespace";
export const CANARY_WEIGHT_ANNOTATION = "istio.io/use-waypoint-canary-weight";

/**
 * The second waypoint that an object asks for: its own, or its Namespace's while the first is inherited as well.
 * @see control-plane 3.1
 */
export function canaryRef(labels: Labels, namespaceLabels: Labels, namespace: string): WaypointRef | null {
  const inherits = labels[CANARY] === undefined && labels[USE_WAYPOINT] === undefined;
  const from = inherits ? namespaceLabels : labels;
  const name = from[CANARY];
  return name === undefined || name === NONE ? null : { name, namespace: from[CANARY_NAMESPACE] || namespace };
}

/** The percentage of connections for the canary: 0 when nobody says; null when what is said is no whole number up to 100. */
export function canaryWeight(annotations: Labels, namespaceAnnotations: Labels): number | null {
  const text = annotations[CANARY_WEIGHT_ANNOTATION] ?? namespaceAnnotations[CANARY_WEIGHT_ANNOTATION];
  if (text === undefined) return 0;
  return /^\+?\d{1,3}$/.test(text) && Number(text) <= 100 ? Number(text) : null;
}
