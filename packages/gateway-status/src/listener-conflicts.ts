import type { Gateway } from "@lateen/resources";
import { effectivePort } from "./listener-port.ts";
import type { Listener, ListenerSet } from "./status-objects.ts";

export type ConflictReason = "ProtocolConflict" | "HostnameConflict";

/** Conflicts by the object (`Gateway` or `ns/name` of a ListenerSet) and the name of the listener. */
export type Conflicts = ReadonlyMap<string, ReadonlyMap<string, ConflictReason>>;

export const GATEWAY_ITSELF = "";

/**
 * Listeners of one Gateway that lose to an earlier one: its own come first, then those of ListenerSets by age. One that lost does
 * not stand in the way of others.
 * @see Gateway API, "ListenerSets": listener precedence
 */
export function listenerConflicts(
  gateway: Gateway,
  sets: readonly (readonly [key: string, set: ListenerSet])[],
): Conflicts {
  const conflicts = new Map<string, Map<string, ConflictReason>>();
  const winners: Listener[] = [];
  const ordered = [...sets].sort(([a, x], [b, y]) => {
    const [old, young] = [x.metadata.creationTimestamp ?? "", y.metadata.creationTimestamp ?? ""];
    return old === young ? (a < b ? -1 : 1) : old < young ? -1 : 1;
  });
  const all: readonly (readonly [string, Listener])[] = [
    ...gateway.spec.listeners.map((l) => [GATEWAY_ITSELF, l] as const),
    ...ordered.flatMap(([key, set]) => set.spec.listeners.map((l) => [key, l] as const)),
  ];
  for (const [owner, listener] of all) {
    const prior = winners.find((winner) => !areDistinct(listener, winner));
    if (prior === undefined) {
      winners.push(listener);
      continue;
    }
    const own = conflicts.get(owner) ?? new Map<string, ConflictReason>();
    own.set(listener.name, reasonOf(listener, prior));
    conflicts.set(owner, own);
  }
  return conflicts;
}

const isL4 = ({ protocol }: Listener): boolean => protocol === "TCP" || protocol === "UDP";
const isNamed = ({ protocol }: Listener): boolean => protocol === "HTTP" || protocol === "HTTPS" || protocol === "TLS";
const hostOf = ({ hostname }: Listener): string => hostname || "*";

function areDistinct(a: Listener, b: Listener): boolean {
  if (effectivePort(a) !== effectivePort(b)) return true;
  if (isL4(a) && (isL4(b) || isNamed(b))) return false;
  if (isNamed(a) && isL4(b)) return false;
  if (isNamed(a) && isNamed(b)) return hostOf(a) !== hostOf(b);
  return a.protocol !== b.protocol;
}

function reasonOf(a: Listener, b: Listener): ConflictReason {
  return a.protocol !== b.protocol || isL4(a) ? "ProtocolConflict" : "HostnameConflict";
}
