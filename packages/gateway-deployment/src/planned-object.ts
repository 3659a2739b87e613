import type { JsonMap } from "./json.ts";

/** Kinds that a Gateway is run by, and nothing else. */
export const PLANNED_KINDS = [
  "ServiceAccount",
  "Deployment",
  "Service",
  "HorizontalPodAutoscaler",
  "PodDisruptionBudget",
] as const;
export type PlannedKind = (typeof PLANNED_KINDS)[number];

export interface GatewayOwner {
  readonly apiVersion: "gateway.networking.k8s.io/v1";
  readonly kind: "Gateway";
  readonly name: string;
  readonly uid: string;
}

/** An object as it is applied: exactly the fields that this controller answers for; overlays may add some beside `spec`. */
export interface PlannedObject {
  readonly apiVersion: string;
  readonly kind: PlannedKind;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly GatewayOwner[];
  };
  /** Present for all kinds but ServiceAccounts. */
  readonly spec?: JsonMap;
}

export const API_VERSIONS: Readonly<Record<PlannedKind, string>> = {
  ServiceAccount: "v1",
  Deployment: "apps/v1",
  Service: "v1",
  HorizontalPodAutoscaler: "autoscaling/v2",
  PodDisruptionBudget: "policy/v1",
};
