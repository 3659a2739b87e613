import type { Collection, Fetch, Graph } from "@lateen/collections";
import type { ServiceEntry } from "@lateen/resources";
import { type Environment, type NamespaceView, meshOf, networkOf } from "./environment.ts";
import { serviceInfo } from "./kube-service.ts";
import type { ModelOptions } from "./model-options.ts";
import { annotationsOf, labelsOf, namespaceOf } from "./objects.ts";
import { entryServices } from "./service-entry.ts";
import { type ServiceInfo, type ServiceOrigin, infoKey } from "./service-info.ts";
import { decideHost, winnerEntries } from "./service-winners.ts";
import type { MeshSources } from "./sources.ts";
import { entryVisibility } from "./visibility.ts";
import { type Bindable, type WaypointBinding, type Waypoints, UNBOUND, bindWaypoint } from "./waypoint-binding.ts";

/** Which object a host that does not count has lost to. */
export interface Shadow {
  readonly origin: ServiceOrigin;
  readonly hostname: string;
  readonly by: ServiceOrigin;
}

export interface ServiceStage {
  /** What came of each object's wish for a waypoint, by `Kind/namespace/name` of Service, ServiceEntry and WorkloadEntry. */
  readonly bindings: Collection<WaypointBinding>;
  /** Every host of every object. */
  readonly infos: Collection<ServiceInfo>;
  /** Those that count, by `namespace/hostname`. */
  readonly services: Collection<ServiceInfo>;
  /** Those that do not, by `Kind/namespace/name/hostname`. */
  readonly shadows: Collection<Shadow>;
}

interface Bound {
  readonly metadata: ServiceEntry["metadata"];
}

function bindable(object: Bound, traffic: Bindable["traffic"], ownNamespaceOnly = false): Bindable {
  return {
    namespace: namespaceOf(object),
    labels: labelsOf(object),
    annotations: annotationsOf(object),
    traffic,
    ownNamespaceOnly,
  };
}

const namespaceView = (fetch: Fetch, env: Environment, object: Bound): NamespaceView | undefined =>
  fetch(env.namespaces, namespaceOf(object));

/** What of the mesh a ServiceEntry's namespace may be seen by. */
export function visibilityOf(entry: Bound, fetch: Fetch, env: Environment): ReturnType<typeof entryVisibility> {
  const mesh = meshOf(fetch, env);
  if (mesh.serviceEntryVisibility === undefined) return "PUBLIC";
  return entryVisibility(mesh, namespaceView(fetch, env, entry)?.labels ?? {});
}

function bindings(graph: Graph, sources: MeshSources, at: Waypoints): Collection<WaypointBinding> {
  const bind = <T extends Bound>(
    kind: string,
    of: Collection<T>,
    wish: (object: T, fetch: Fetch) => Bindable,
  ): Collection<WaypointBinding> =>
    graph.deriveMany<T, WaypointBinding>(`${kind} bindings`, of, (object, fetch, key) => {
      const binding = bindWaypoint(wish(object, fetch), fetch, at);
      return binding === UNBOUND ? [] : [[`${kind}/${key}`, binding]];
    });
  return graph.union("bindings", [
    bind("Service", sources.Service, (s) => bindable(s, "service")),
    bind("ServiceEntry", sources.ServiceEntry, (s, fetch) =>
      bindable(s, "service", visibilityOf(s, fetch, at.env) === "NAMESPACE"),
    ),
    bind("WorkloadEntry", sources.WorkloadEntry, (w) => {
      const made = bindable(w, "workload");
      return { ...made, labels: { ...made.labels, ...w.spec.labels } };
    }),
  ]);
}

/** Services and ServiceEntries as the services of the mesh, and which of equal names count. */
export function serviceStage(graph: Graph, sources: MeshSources, at: Waypoints, o: ModelOptions): ServiceStage {
  const { env } = at;
  const bound = bindings(graph, sources, at);
  const bindingOf = (fetch: Fetch, key: string): WaypointBinding => {
    const binding = fetch(bound, key) ?? UNBOUND;
    return o.ingressWaypoint ? binding : { ...binding, ingress: UNBOUND.ingress };
  };
  const kube = graph.deriveMany<typeof sources.Service extends Collection<infer S> ? S : never, ServiceInfo>(
    "service infos",
    sources.Service,
    (service, fetch, key) => {
      const info = serviceInfo(service, {
        domain: o.domain,
        network: networkOf(fetch, env),
        namespace: namespaceView(fetch, env, service),
        binding: bindingOf(fetch, `Service/${key}`),
        behaviour: o.behaviour,
      });
      return info === undefined ? [] : [[infoKey(info), info]];
    },
  );
  const entries = graph.deriveMany<ServiceEntry, ServiceInfo>(
    "entry infos",
    sources.ServiceEntry,
    (entry, fetch, key) => {
      const visibility = visibilityOf(entry, fetch, env);
      if (visibility === "NONE") return [];
      const infos = entryServices(entry, {
        network: networkOf(fetch, env),
        namespace: namespaceView(fetch, env, entry),
        binding: bindingOf(fetch, `ServiceEntry/${key}`),
        visibility,
      });
      return infos.map((info) => [infoKey(info), info]);
    },
  );
  return { bindings: bound, ...decided(graph, graph.union("infos", [kube, entries])) };
}

/** Which of the infos count. */
export function decided(graph: Graph, infos: Collection<ServiceInfo>): Omit<ServiceStage, "bindings"> {
  const byHost = graph.index(infos, "hostname", (info) => [info.service.hostname]);
  return {
    infos,
    services: graph.deriveGroups("services", byHost, (rivals) => winnerEntries(decideHost(rivals))),
    shadows: graph.deriveGroups("shadows", byHost, (rivals) =>
      rivals.length < 2
        ? []
        : decideHost(rivals).losers.map(({ info, winner }): [string, Shadow] => [
            infoKey(info),
            { origin: info.origin, hostname: info.service.hostname, by: winner.origin },
          ]),
    ),
  };
}
