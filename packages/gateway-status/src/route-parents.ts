import { WAYPOINT_CONTROLLER } from "@lateen/gateway-deployment";
import { hostsOverlap } from "@lateen/hostnames";
import { takesRoutesOf } from "./allowed-namespaces.ts";
import type { GatewayWorld, Labels } from "./gateway-world.ts";
import type { Attachable } from "./judge-gateways.ts";
import { GATEWAY_GROUP, isKind, kindOf } from "./reference-grants.ts";
import type { Fault } from "./status-conditions.ts";
import type { ParentRef, Route } from "./status-objects.ts";

/** What came of one wish of a route to be attached, at one of the listeners that it may mean. */
export interface Attachment {
  readonly ref: ParentRef;
  readonly to: "mesh" | Attachable;
  /** Why not. */
  readonly denied: Fault | null;
  /** Of services: why no waypoint takes the route; null: one does. */
  readonly noWaypoint: string | null;
}

/** Listeners by kind and key of the object that they stand in. */
export type Attachables = ReadonlyMap<string, readonly Attachable[]>;

const SERVICE_ENTRY = { group: "networking.istio.io", kind: "ServiceEntry" } as const;

/** Where a route is attached and where it is not. What other controllers answer for is left out. */
export function attachments(world: GatewayWorld, route: Route, attachables: Attachables): readonly Attachment[] {
  const { namespace: own } = route.metadata;
  return (route.spec.parentRefs ?? []).flatMap((ref): readonly Attachment[] => {
    const kind = kindOf(ref, { group: GATEWAY_GROUP, kind: "Gateway" });
    const key = `${ref.namespace ?? own}/${ref.name}`;
    if (isKind(kind, "", "Service")) return meshParent(world, ref, key, world.serviceLabels(key));
    if (isKind(kind, SERVICE_ENTRY.group, SERVICE_ENTRY.kind))
      return meshParent(world, ref, key, world.entryLabels(key));
    if (!isKind(kind, GATEWAY_GROUP, "Gateway") && !isKind(kind, GATEWAY_GROUP, "ListenerSet")) return [];
    const listeners = attachables.get(`${kind.kind}/${key}`) ?? [];
    return listeners.map((to) => ({ ref, to, denied: deniedAt(world, route, ref, to), noWaypoint: null }));
  });
}

const namesWaypoint = (labels: Labels | undefined): boolean =>
  !["", "none"].includes((labels?.["istio.io/use-waypoint"] ?? "").toLowerCase());

function meshParent(
  world: GatewayWorld,
  ref: ParentRef,
  key: string,
  labels: Labels | undefined,
): readonly Attachment[] {
  const namespace = key.slice(0, key.indexOf("/"));
  if (labels === undefined) {
    const what = ref.kind === "Service" ? "Service" : "ServiceEntry";
    const message = `there is no ${what} ${key}`;
    return [{ ref, to: "mesh", denied: { reason: "NoMatchingParent", message }, noWaypoint: message }];
  }
  const home = world.namespaces.get(namespace);
  if (isForeignWaypoint(world, namespace, labels, home)) return [];
  const missing = home !== undefined && !namesWaypoint(labels) && !namesWaypoint(home);
  const what = ref.kind === "Service" ? "Service" : "ServiceEntry";
  const noWaypoint = missing
    ? `neither ${key} nor its namespace has the label istio.io/use-waypoint: nobody heeds the route`
    : world.waypointProblem(what, key);
  return [{ ref, to: "mesh", denied: null, noWaypoint }];
}

/** Whether the waypoint of a service is run by somebody else, who answers for its routes. */
function isForeignWaypoint(world: GatewayWorld, namespace: string, own: Labels, home: Labels | undefined): boolean {
  const labels = own["istio.io/use-waypoint"] === undefined ? home : own;
  if (labels === undefined || !namesWaypoint(labels)) return false;
  const at = labels["istio.io/use-waypoint-namespace"] || namespace;
  const waypoint = world.gateways.get(`${at}/${labels["istio.io/use-waypoint"]}`);
  const declared = waypoint && world.gatewayClasses.get(waypoint.spec.gatewayClassName);
  if (declared === undefined) return false;
  const { controllerName } = declared.spec;
  return controllerName !== WAYPOINT_CONTROLLER && !world.classes.controllers.has(controllerName);
}

function deniedAt(world: GatewayWorld, route: Route, ref: ParentRef, to: Attachable): Fault | null {
  if (ref.port !== undefined && ref.port !== 0 && ref.port !== to.port)
    return { reason: "NoMatchingParent", message: `no listener has port ${ref.port}` };
  if (ref.sectionName !== undefined && ref.sectionName !== "" && ref.sectionName !== to.listener.name)
    return { reason: "NoMatchingParent", message: `no listener is called ${ref.sectionName}` };
  const hosts = route.spec.hostnames ?? [];
  const own = to.listener.hostname ?? "*";
  const matches = hosts.length === 0 || hosts.some((host) => hostsOverlap(own, host));
  if (!matches) return { reason: "NoMatchingListenerHostname", message: `none of its hosts is one of ${own}` };
  if (!takesRoutesOf(route.metadata.namespace, { listener: to.listener, own: to.namespace }, world.namespaces))
    return {
      reason: "NotAllowedByListeners",
      message: `listener ${to.listener.name} takes no routes of namespace ${route.metadata.namespace}`,
    };
  if (to.kinds.has(route.kind)) return null;
  return { reason: "NotAllowedByListeners", message: `listener ${to.listener.name} takes no ${route.kind}` };
}
