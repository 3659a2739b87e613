import type { Collection, Graph } from "@lateen/collections";
import type { Labels } from "./objects.ts";
import { type NamedPort, type ServiceInfo, type ServiceOrigin, hostKey } from "./service-info.ts";
import { type Selecting, SelectorIndex } from "./selector-index.ts";

/** What of a service its endpoints follow from: they are not computed anew when anything else of it changes. */
export interface ServiceTarget extends Selecting {
  /** `namespace/hostname`. */
  readonly key: string;
  readonly origin: ServiceOrigin;
  readonly ports: readonly NamedPort[];
  readonly selects: boolean;
}

export interface ServiceTargets {
  readonly all: Collection<ServiceTarget>;
  /** Of those with a selector. */
  readonly selecting: SelectorIndex<ServiceTarget>;
}

const NONE: Labels = {};

export function serviceTargets(graph: Graph, services: Collection<ServiceInfo>): ServiceTargets {
  const all = graph.derive("service targets", services, (info): ServiceTarget => ({
    key: hostKey(info.service),
    namespace: info.service.namespace,
    origin: info.origin,
    ports: info.ports,
    selector: info.selector ?? NONE,
    selects: info.selector !== null,
  }));
  const selecting = graph.derive("selecting services", all, (target) => (target.selects ? target : undefined));
  return { all, selecting: new SelectorIndex(graph, selecting) };
}
