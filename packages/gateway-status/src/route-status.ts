import type { GatewayWorld } from "./gateway-world.ts";
import { GATEWAY_GROUP } from "./reference-grants.ts";
import type { Attachment } from "./route-parents.ts";
import { rulesFault } from "./route-rules.ts";
import { type Fault, type StatusCondition, holds } from "./status-conditions.ts";
import type { ParentRef, ParentStatus, Route } from "./status-objects.ts";

/** One entry of a route's status: ours, to be written, or another controller's, as it stands. */
export type RouteParent =
  | { readonly t: "ours"; readonly parentRef: ParentRef; readonly conditions: readonly StatusCondition[] }
  | { readonly t: "theirs"; readonly raw: ParentStatus };

/** Of several listeners that a route may mean, one that takes it decides; else the gravest reason does. */
const GRAVITY: readonly string[] = [
  "NotAllowedByListeners",
  "NoMatchingListenerHostname",
  "ParentRefConflict",
  "NoMatchingParent",
];

/** A text that is equal for equal references. */
export function refKey(ref: ParentRef, namespace: string): string {
  const { group = GATEWAY_GROUP, kind = "Gateway", sectionName = "", port = 0 } = ref;
  return [group, kind, ref.namespace ?? namespace, ref.name, sectionName, port].join("/");
}

/**
 * A route's status: entries of others stay where they are, ours are renewed in place, new ones come last.
 * @returns null when there is nothing to be said and nothing of ours to be taken away
 */
export function routeStatus(
  world: GatewayWorld,
  route: Route,
  attached: readonly Attachment[],
  controllerName: string,
): readonly RouteParent[] | null {
  const { namespace } = route.metadata;
  const ours = new Map<string, RouteParent>();
  const faults = { mesh: undefined, gateway: undefined } as Record<"mesh" | "gateway", Fault | null | undefined>;
  for (const [key, same] of grouped(attached, namespace)) {
    const parents = same[0]?.to === "mesh" ? "mesh" : "gateway";
    const fault = (faults[parents] ??= rulesFault(world, route, parents));
    ours.set(key, parentOf(world, same, fault));
  }
  const before = route.status?.parents ?? [];
  const kept = before.flatMap((raw): readonly RouteParent[] => {
    if (raw.controllerName !== controllerName) return [{ t: "theirs", raw }];
    const key = refKey(raw.parentRef, namespace);
    const renewed = ours.get(key);
    ours.delete(key);
    return renewed === undefined ? [] : [renewed];
  });
  const fresh = [...ours].sort(([a], [b]) => (a > b ? -1 : 1)).map(([, parent]) => parent);
  const all = [...kept, ...fresh];
  return all.some((parent) => parent.t === "ours") || all.length < before.length ? all : null;
}

function grouped(attached: readonly Attachment[], namespace: string): ReadonlyMap<string, readonly Attachment[]> {
  const groups = new Map<string, Attachment[]>();
  for (const one of attached) {
    const key = refKey(one.ref, namespace);
    const same = groups.get(key);
    if (same === undefined) groups.set(key, [one]);
    else same.push(one);
  }
  return groups;
}

function parentOf(world: GatewayWorld, same: readonly Attachment[], fault: Fault | null): RouteParent {
  const taken = same.filter((a) => a.denied === null).length;
  const denied = taken > 0 ? null : gravest(same.flatMap((a) => a.denied ?? []));
  const [first] = same;
  const message = taken > 1 ? `attached to ${taken} listeners` : "attached";
  const waypoint = first?.noWaypoint ?? "a waypoint takes it";
  const conditions: readonly StatusCondition[] = [
    holds("Accepted", { reason: "Accepted", message }, denied),
    holds("ResolvedRefs", { reason: "ResolvedRefs", message: "everything that it refers to is there" }, fault),
    ...(world.ambient
      ? [
          holds(
            "ResolvedWaypoints",
            { reason: "ResolvedWaypoints", message: first?.to === "mesh" ? waypoint : "it needs none" },
            null,
          ),
        ]
      : []),
  ];
  return { t: "ours", parentRef: first!.ref, conditions }; // a group has at least one
}

function gravest(faults: readonly Fault[]): Fault | null {
  const rank = (fault: Fault): number => GRAVITY.indexOf(fault.reason);
  const least = Math.min(...faults.map(rank));
  const same = faults.filter((fault) => rank(fault) === least);
  const [first] = same;
  if (first === undefined) return null;
  return { reason: first.reason, message: [...new Set(same.map((fault) => fault.message))].join("; ") };
}
