import type { GatewayWorld } from "./gateway-world.ts";

export interface ObjectKind {
  readonly group: string;
  readonly kind: string;
}

/** Who refers to something of another namespace. */
export interface Referrer extends ObjectKind {
  readonly namespace: string;
}

/** Kinds whose objects may be referred to across namespaces. */
const GRANTED: ReadonlySet<string> = new Set(["ConfigMap", "Secret", "Service"]);

export const GATEWAY_GROUP = "gateway.networking.k8s.io";

/** A reference's kind with the defaults of its field. */
export function kindOf(
  ref: { readonly group?: string | undefined; readonly kind?: string | undefined },
  standard: ObjectKind,
): ObjectKind {
  return { group: ref.group ?? standard.group, kind: ref.kind ?? standard.kind };
}

export const isKind = (a: ObjectKind, group: string, kind: string): boolean => a.group === group && a.kind === kind;

/** Whether the owner of the other namespace allows it; within one namespace nobody asks. */
export function isReferenceAllowed(
  world: GatewayWorld,
  from: Referrer,
  to: ObjectKind & { readonly namespace: string; readonly name: string },
): boolean {
  if (from.namespace === to.namespace) return true;
  if (to.group !== "" || !GRANTED.has(to.kind)) return false;
  return world.grants.some(
    ({ metadata, spec }) =>
      metadata.namespace === to.namespace &&
      spec.from.some((f) => f.group === from.group && f.kind === from.kind && f.namespace === from.namespace) &&
      spec.to.some((t) => t.group === to.group && t.kind === to.kind && (t.name === undefined || t.name === to.name)),
  );
}
