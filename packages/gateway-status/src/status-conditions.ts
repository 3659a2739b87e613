/** A condition to be written; who writes it adds generation and time. */
export interface StatusCondition {
  readonly type: string;
  readonly status: "True" | "False";
  /** An exact identifier of the Gateway API, or of Istio. */
  readonly reason: string;
  readonly message: string;
}

/** What is wrong, as it is told. */
export interface Fault {
  readonly reason: string;
  readonly message: string;
}

/** True, or False with what is wrong. */
export function holds(type: string, good: Fault, fault: Fault | null): StatusCondition {
  return { type, status: fault === null ? "True" : "False", ...(fault ?? good) };
}

export interface RouteGroupKind {
  readonly group: string;
  readonly kind: string;
}

export interface ListenerStatus {
  readonly name: string;
  readonly attachedRoutes: number;
  readonly supportedKinds: readonly RouteGroupKind[];
  readonly conditions: readonly StatusCondition[];
}

export interface StatusAddress {
  readonly type: "IPAddress" | "Hostname";
  readonly value: string;
}

export interface GatewayStatus {
  readonly conditions: readonly StatusCondition[];
  /** Null: whatever was reported stays. */
  readonly addresses: readonly StatusAddress[] | null;
  readonly listeners: readonly ListenerStatus[];
  /** Null: none, and the field is left out. */
  readonly attachedListenerSets: number | null;
}
