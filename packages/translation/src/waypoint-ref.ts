import type { Labels } from "./objects.ts";

export const USE_WAYPOINT = "istio.io/use-waypoint";
const USE_WAYPOINT_NAMESPACE = "istio.io/use-waypoint-namespace";
/** No Gateway can be called this: it opts out. */
export const NONE = "none";

export interface WaypointRef {
  readonly name: string;
  readonly namespace: string;
}

/**
 * The waypoint that labels ask for: `none` opts out, null says nothing.
 * @param namespace of the object, for labels that name none
 */
export function waypointRef(labels: Labels, namespace: string): WaypointRef | "none" | null {
  const name = labels[USE_WAYPOINT];
  if (name === undefined) return null;
  return name === NONE ? "none" : { name, namespace: labels[USE_WAYPOINT_NAMESPACE] || namespace };
}

const INGRESS_USE_WAYPOINT = "istio.io/ingress-use-waypoint";

/** Whether ingress gateways are to send through the waypoint, by the object's label or else its Namespace's. */
export function ingressUse(
  labels: Labels,
  namespaceLabels: Labels,
): { readonly said: boolean; readonly useWaypoint: boolean } {
  const value = labels[INGRESS_USE_WAYPOINT] ?? namespaceLabels[INGRESS_USE_WAYPOINT];
  return { said: value !== undefined, useWaypoint: value?.toLowerCase() === "true" };
}
