import type { GatewayClasses } from "@lateen/gateway-deployment";
import type { Gateway, GatewayClass } from "@lateen/resources";
import type { ListenerSet, ReferenceGrant, Route } from "./status-objects.ts";

export type Labels = Readonly<Record<string, string>>;

/** A service that a Gateway is reached by, as far as its status follows from it. */
export interface GatewayService {
  /** Ports of the service. */
  readonly ports: readonly number[];
  /** Ports of the service behind which an instance is ready, each with the ports of its instances. */
  readonly ready: ReadonlyMap<number, readonly number[]>;
  readonly type: string;
  readonly clusterIps: readonly string[];
  /** Addresses that the outside has for it. */
  readonly externalAddresses: readonly string[];
  /** Whether a controller made it for a Gateway. */
  readonly managed: boolean;
}

/** A Secret or ConfigMap that somebody refers to. */
export type Material =
  | { readonly t: "absent" }
  | { readonly t: "good" }
  /** It is there and cannot be used. */
  | { readonly t: "bad"; readonly why: string };

/** Everything that the status of Gateway API objects follows from; keys are `namespace/name`. */
export interface GatewayWorld {
  readonly classes: GatewayClasses;
  readonly gatewayClasses: ReadonlyMap<string, GatewayClass>;
  readonly gateways: ReadonlyMap<string, Gateway>;
  readonly listenerSets: ReadonlyMap<string, ListenerSet>;
  readonly routes: readonly Route[];
  readonly grants: readonly ReferenceGrant[];
  /** Labels by name. */
  readonly namespaces: ReadonlyMap<string, Labels>;
  /** Labels of a Service. */
  readonly serviceLabels: (key: string) => Labels | undefined;
  /** Labels of a ServiceEntry. */
  readonly entryLabels: (key: string) => Labels | undefined;
  /** Why an object is not bound to the waypoint that it asks for; null: it is, or asks for none. */
  readonly waypointProblem: (kind: "Service" | "ServiceEntry", key: string) => string | null;
  /** Whether a service of that name is known in the namespace. */
  readonly hasHost: (hostname: string, namespace: string) => boolean;
  readonly gatewayService: (hostname: string, namespace: string) => GatewayService | undefined;
  /** Whether a Secret holds a certificate and its key. */
  readonly certificate: (key: string) => Material;
  /** Whether a Secret or ConfigMap holds roots. */
  readonly roots: (kind: "Secret" | "ConfigMap", key: string) => Material;
  /** Whether a ConfigMap of parameters exists. */
  readonly hasParameters: (key: string) => boolean;
  readonly domain: string;
  /** Whether `ResolvedWaypoints` is told of routes of services. */
  readonly ambient: boolean;
  /** Names of Gateways whose objects cannot be made, and why. */
  readonly deploymentProblem: (key: string) => string | null;
}
