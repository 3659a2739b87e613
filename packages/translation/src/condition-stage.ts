import type { Collection, Fetch, Graph } from "@lateen/collections";
import type { AuthorizationPolicy, Service, ServiceEntry, WorkloadEntry } from "@lateen/resources";
import {
  type Condition,
  type ObjectConditions,
  hostShadowed,
  policyConditions,
  visibilityApplied,
  waypointBound,
  waypointMissing,
} from "./conditions.ts";
import { type Environment, meshOf } from "./environment.ts";
import type { PolicyReport } from "./policy-report.ts";
import { type ServiceStage, type Shadow, visibilityOf } from "./service-stage.ts";
import type { MeshSources } from "./sources.ts";
import { UNBOUND } from "./waypoint-binding.ts";

interface Judged {
  readonly metadata: { readonly generation?: number | undefined };
}

/** Conditions of every object that something is said of, by `Kind/namespace/name`. */
export function conditionStage(
  graph: Graph,
  sources: MeshSources,
  from: { readonly env: Environment; readonly services: ServiceStage; readonly reports: Collection<PolicyReport> },
): Collection<ObjectConditions> {
  const { bindings, shadows } = from.services;
  const shadowsOf = graph.index(shadows, "object", (s) => [`${s.origin.namespace}/${s.origin.name}`]);
  const judge = <T extends Judged>(
    kind: string,
    of: Collection<T>,
    say: (object: T, fetch: Fetch, key: string) => readonly Condition[],
  ): Collection<ObjectConditions> =>
    graph.deriveMany<T, ObjectConditions>(`${kind} conditions`, of, (object, fetch, key) => {
      const conditions = say(object, fetch, key);
      return conditions.length === 0
        ? []
        : [[`${kind}/${key}`, { generation: object.metadata.generation ?? null, conditions }]];
    });
  const ofEntry = (entry: ServiceEntry, fetch: Fetch, key: string): readonly Condition[] => {
    const binding = fetch(bindings, `ServiceEntry/${key}`) ?? UNBOUND;
    const configured = meshOf(fetch, from.env).serviceEntryVisibility !== undefined;
    const lost: readonly Shadow[] = fetch.by(shadowsOf, key);
    return [
      ...waypointBound(binding),
      ...waypointMissing(entry, binding),
      ...(configured ? [visibilityApplied(visibilityOf(entry, fetch, from.env))] : []),
      ...hostShadowed(lost),
    ];
  };
  return graph.union("conditions", [
    judge<Service>("Service", sources.Service, (_, fetch, key) =>
      waypointBound(fetch(bindings, `Service/${key}`) ?? UNBOUND),
    ),
    judge<ServiceEntry>("ServiceEntry", sources.ServiceEntry, ofEntry),
    judge<WorkloadEntry>("WorkloadEntry", sources.WorkloadEntry, (_, fetch, key) =>
      waypointBound(fetch(bindings, `WorkloadEntry/${key}`) ?? UNBOUND),
    ),
    judge<AuthorizationPolicy>("AuthorizationPolicy", sources.AuthorizationPolicy, (_, fetch, key) => {
      const report = fetch(from.reports, key);
      return report === undefined ? [] : policyConditions(report);
    }),
  ]);
}
