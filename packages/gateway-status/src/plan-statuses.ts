import type { GatewayWorld } from "./gateway-world.ts";
import { type Attachable, judgeParents } from "./judge-gateways.ts";
import { attachments } from "./route-parents.ts";
import { type RouteParent, routeStatus } from "./route-status.ts";
import { type GatewayStatus, type StatusCondition, holds } from "./status-conditions.ts";
import type { RouteKind } from "./status-objects.ts";

/** What is to be said of one object. */
export type PlannedStatus =
  | {
      readonly t: "parent";
      readonly kind: "Gateway" | "ListenerSet";
      readonly key: string;
      readonly generation: number | undefined;
      readonly status: GatewayStatus;
    }
  | {
      readonly t: "route";
      readonly kind: RouteKind;
      readonly key: string;
      readonly generation: number | undefined;
      readonly parents: readonly RouteParent[];
    }
  | {
      readonly t: "class";
      readonly kind: "GatewayClass";
      readonly key: string;
      readonly generation: number | undefined;
      readonly conditions: readonly StatusCondition[];
    };

/**
 * Everything that is to be said of Gateway API objects. What is for other controllers is absent.
 * @param controllerName who answers for routes
 * @see control-plane 3.7; Gateway API, "Gateway API Status"
 */
export function planStatuses(world: GatewayWorld, controllerName: string): readonly PlannedStatus[] {
  const parents = judgeParents(world);
  const attachables = new Map<string, readonly Attachable[]>(
    parents.map((parent) => [`${parent.kind}/${parent.key}`, parent.attachable]),
  );
  const counts = new Map<string, number>();
  const routes = world.routes.flatMap((route): readonly PlannedStatus[] => {
    const attached = attachments(world, route, attachables);
    for (const { to, denied } of attached) {
      if (to === "mesh" || denied !== null) continue;
      const listener = `${to.kind}/${to.key}/${to.listener.name}`;
      counts.set(listener, (counts.get(listener) ?? 0) + 1);
    }
    const { namespace, name, generation } = route.metadata;
    const said = routeStatus(world, route, attached, controllerName);
    const key = `${namespace}/${name}`;
    return said === null ? [] : [{ t: "route", kind: route.kind, key, generation, parents: said }];
  });
  const counted = parents.map(({ kind, key, generation, status }): PlannedStatus => {
    const listeners = status.listeners.map((l) => ({
      ...l,
      attachedRoutes: counts.get(`${kind}/${key}/${l.name}`) ?? 0,
    }));
    return { t: "parent", kind, key, generation, status: { ...status, listeners } };
  });
  return [...classStatuses(world), ...counted, ...routes];
}

function classStatuses(world: GatewayWorld): readonly PlannedStatus[] {
  return [...world.gatewayClasses].flatMap(([key, { metadata, spec }]): readonly PlannedStatus[] => {
    if (!world.classes.controllers.has(spec.controllerName)) return [];
    const message = "the Gateways of this class are looked after";
    const conditions = [holds("Accepted", { reason: "Accepted", message }, null)];
    return [{ t: "class", kind: "GatewayClass", key, generation: metadata.generation, conditions }];
  });
}
