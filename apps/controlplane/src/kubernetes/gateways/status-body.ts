import type { GatewayStatus, PlannedStatus, StatusCondition } from "@lateen/gateway-status";
import { type Condition, readConditions, renewConditions } from "@lateen/kube";

/** A condition that is only there while it holds. */
const OPTIONAL = "InsecureFrontendValidationMode";

/**
 * The status to be written, or null when the object says all of it already.
 * @param current the object's status as it stands
 * @param o.controllerName who answers for parents of routes
 */
export function statusBody(
  planned: PlannedStatus,
  current: unknown,
  o: { readonly controllerName: string; readonly nowMs: number },
): object | null {
  switch (planned.t) {
    case "class": {
      const { next, changed } = renew(planned.conditions, current, planned.generation, o.nowMs);
      return changed ? { conditions: next } : null;
    }
    case "parent":
      return parentBody(planned, current, o.nowMs);
    case "route":
      return routeBody(planned, current, o);
  }
}

function renew(
  wanted: readonly StatusCondition[],
  current: unknown,
  generation: number | undefined,
  nowMs: number,
): { readonly next: readonly Condition[]; readonly changed: boolean } {
  return renewConditions({ current: readConditions(current), wanted, generation, nowMs });
}

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);

function parentBody(planned: Extract<PlannedStatus, { t: "parent" }>, current: unknown, nowMs: number): object | null {
  const now = record(current);
  const { status, generation } = planned;
  const own = renew(status.conditions, current, generation, nowMs);
  const before = list(now["listeners"]);
  const listeners = status.listeners.map((l) => {
    const old = before.find((b) => record(b)["name"] === l.name);
    const { next, changed } = renew(l.conditions, old, generation, nowMs);
    const same = !changed && sameKinds(record(old), l) && record(old)["attachedRoutes"] === l.attachedRoutes;
    return { body: { ...l, conditions: next }, same };
  });
  // Once told, an address is not taken back: whoever uses it would lose its waypoint.
  const told = list(now["addresses"]);
  const addresses = status.addresses ?? told;
  const sets = status.attachedListenerSets;
  const left =
    readConditions(current).some((c) => c.type === OPTIONAL) && !status.conditions.some((c) => c.type === OPTIONAL);
  const changed =
    own.changed ||
    left ||
    before.length !== listeners.length ||
    listeners.some((l) => !l.same) ||
    JSON.stringify(addresses) !== JSON.stringify(told.map(plainAddress)) ||
    (sets ?? undefined) !== (now["attachedListenerSets"] ?? undefined);
  if (!changed) return null;
  return {
    conditions: own.next,
    listeners: listeners.map((l) => l.body),
    ...(addresses.length === 0 ? {} : { addresses }),
    ...(sets === null ? {} : { attachedListenerSets: sets }),
  };
}

/** In the order of ours. */
function plainAddress(address: unknown): unknown {
  const { type, value } = record(address);
  return { type, value };
}

function sameKinds(old: Readonly<Record<string, unknown>>, l: GatewayStatus["listeners"][number]): boolean {
  const before = list(old["supportedKinds"]).map(
    (k) => `${String(record(k)["group"] ?? "")}/${String(record(k)["kind"])}`,
  );
  return before.join() === l.supportedKinds.map((k) => `${k.group}/${k.kind}`).join();
}

function routeBody(
  planned: Extract<PlannedStatus, { t: "route" }>,
  current: unknown,
  { controllerName, nowMs }: { readonly controllerName: string; readonly nowMs: number },
): object | null {
  const before = list(record(current)["parents"]);
  let changed = before.length !== planned.parents.length;
  const parents = planned.parents.map((parent, i) => {
    if (parent.t === "theirs") return parent.raw;
    const { parentRef } = parent;
    const old = record(before[i]);
    const mine = old["controllerName"] === controllerName;
    const renewed = renew(parent.conditions, mine ? old : undefined, planned.generation, nowMs);
    changed ||= !mine || renewed.changed;
    return { parentRef, controllerName, conditions: renewed.next };
  });
  return changed ? { parents } : null;
}
