import type { Collection, Graph } from "@lateen/collections";
import type { Authorization } from "@lateen/policy";
import type { Service, Workload } from "@lateen/workload-model";
import type { PolicyEffect } from "./authorization-policy.ts";
import { conditionStage } from "./condition-stage.ts";
import type { ObjectConditions } from "./conditions.ts";
import { type Environment, admitted, environment } from "./environment.ts";
import { type ExternalName, externalNames } from "./external-names.ts";
import type { ModelOptions } from "./model-options.ts";
import { networkGateways } from "./network-gateway.ts";
import type { PolicyReport } from "./policy-report.ts";
import { policyStage } from "./policy-stage.ts";
import { type ServiceInfo, originKey } from "./service-info.ts";
import { type ServiceReport, serviceReport, targetName } from "./service-report.ts";
import { type ServiceStage, type Shadow, serviceStage } from "./service-stage.ts";
import type { MeshSources } from "./sources.ts";
import { UNBOUND } from "./waypoint-binding.ts";
import { type Waypoint, waypoints } from "./waypoint.ts";
import { workloadStage } from "./workload-stage.ts";

/** What the node proxies are told, and what people ask about it; keys are resource names where nothing else is said. */
export interface MeshModel {
  readonly workloads: Collection<Workload>;
  readonly services: Collection<Service>;
  readonly authorizations: Collection<Authorization>;
  /** Services as the mesh knows them: with their objects and selectors. */
  readonly serviceInfos: Collection<ServiceInfo>;
  /** Hosts that do not count because another object has them, by `Kind/namespace/name/hostname`. */
  readonly shadows: Collection<Shadow>;
  /** By `namespace/name` of the Gateway. */
  readonly waypoints: Collection<Waypoint>;
  /** By `namespace/name` of each AuthorizationPolicy: what of it is in force at node proxies, and what is not. */
  readonly policyEffects: Collection<PolicyEffect>;
  /** By `namespace/name` of each AuthorizationPolicy: which rule is enforced where. */
  readonly policyReports: Collection<PolicyReport>;
  /** What stands between clients and each service. */
  readonly serviceReports: Collection<ServiceReport>;
  /** What is to be written into the status of objects, by `Kind/namespace/name`; objects that nothing is said of are absent. */
  readonly conditions: Collection<ObjectConditions>;
  /** Other names of services, by `namespace/hostname` of the ExternalName Service. */
  readonly externalNames: Collection<ExternalName>;
  readonly environment: Environment;
}

/**
 * Everything that the mesh is told, derived from the objects and kept up to date with them.
 * @see control-plane 2 to 4
 */
export function meshModel(graph: Graph, given: MeshSources, o: ModelOptions): MeshModel {
  const env = environment(graph, given, o);
  const sources = admitted(graph, given, env, o);
  const all = waypoints(graph, sources, env);
  const gateways = networkGateways(graph, sources);
  const services = serviceStage(graph, sources, { waypoints: all, env }, o);
  const policies = policyStage(graph, { sources, env, waypoints: all, bindings: services.bindings }, o);
  const workloads = workloadStage(
    graph,
    {
      sources,
      env,
      waypoints: all,
      gateways,
      services: services.services,
      bindings: services.bindings,
      policies: policies.index,
    },
    o,
  );
  return {
    workloads,
    services: graph.derive("told services", services.services, (info) => info.service),
    authorizations: policies.authorizations,
    serviceInfos: services.services,
    shadows: services.shadows,
    waypoints: all,
    policyEffects: policies.effects,
    policyReports: policies.reports,
    serviceReports: serviceReports(graph, services, policies.reports, o),
    conditions: conditionStage(graph, sources, { env, services, reports: policies.reports }),
    externalNames: externalNames(graph, sources, services.services, o),
    environment: env,
  };
}

function serviceReports(
  graph: Graph,
  { services, bindings }: ServiceStage,
  reports: Collection<PolicyReport>,
  o: ModelOptions,
): Collection<ServiceReport> {
  const byTarget = graph.index(reports, "target", (report) => report.targets.map((t) => t.target));
  return graph.derive("service reports", services, (info, fetch) => {
    const binding = fetch(bindings, originKey(info.origin)) ?? UNBOUND;
    return serviceReport(info, binding, fetch.by(byTarget, targetName(info.origin)), o.autoAllowWaypoint);
  });
}
