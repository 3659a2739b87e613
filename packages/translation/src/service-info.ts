import type { Service } from "@lateen/workload-model";
import type { Labels } from "./objects.ts";

/** A port of a service with the names that its endpoints are asked for. */
export interface NamedPort {
  readonly name: string;
  readonly servicePort: number;
  /** 0: named, or not said. */
  readonly targetPort: number;
  /** Set for Services only. */
  readonly targetPortName: string;
}

/** The object that a service stems from. */
export interface ServiceOrigin {
  readonly kind: "Service" | "ServiceEntry";
  readonly namespace: string;
  readonly name: string;
}

/** One host of a Service or ServiceEntry, before and after it is decided which of equal names counts. */
export interface ServiceInfo {
  readonly origin: ServiceOrigin;
  /** Creation time of the object as it writes it; empty when it has none. */
  readonly created: string;
  /** What proxies are told. */
  readonly service: Service;
  readonly ports: readonly NamedPort[];
  /** Labels of its endpoints; null: it selects none. */
  readonly selector: Labels | null;
}

/** `Kind/namespace/name` of the object. */
export const originKey = (o: ServiceOrigin): string => `${o.kind}/${o.namespace}/${o.name}`;
/** `namespace/hostname`: how proxies know it. */
export const hostKey = (s: { readonly namespace: string; readonly hostname: string }): string =>
  `${s.namespace}/${s.hostname}`;
/** A host of an object: every ServiceInfo has its own. */
export const infoKey = (i: ServiceInfo): string => `${originKey(i.origin)}/${i.service.hostname}`;
