import type { Collection, Fetch, Graph } from "@lateen/collections";
import { type MeshConfig, type MeshNetworks, selectorMatches } from "@lateen/resources";
import type { Locality } from "@lateen/workload-model";
import type { ModelOptions } from "./model-options.ts";
import { type Labels, annotationsOf, labelsOf, namespaceOf } from "./objects.ts";
import type { MeshSources } from "./sources.ts";
import { DISTRIBUTION_ANNOTATION } from "./traffic-distribution.ts";
import { CANARY_WEIGHT_ANNOTATION } from "./waypoint-canary.ts";

export const NETWORK_LABEL = "topology.istio.io/network";
const REVISION_LABEL = "istio.io/rev";

/** What of a Namespace anything follows from. */
export interface NamespaceView {
  readonly labels: Labels;
  readonly annotations: Labels;
}

/** What most derivations look at: each part changes seldom and by itself. */
export interface Environment {
  /** One value, under the empty key. */
  readonly mesh: Collection<MeshConfig>;
  readonly networks: Collection<MeshNetworks>;
  /** The cluster's network; one value, under the empty key. */
  readonly network: Collection<string>;
  /** Values of `istio.io/rev` that are ours; one list, under the empty key. */
  readonly revisions: Collection<readonly string[]>;
  readonly namespaces: Collection<NamespaceView>;
  /** By name of the node. */
  readonly localities: Collection<Locality>;
}

export const meshOf = (fetch: Fetch, env: Environment): MeshConfig => {
  const mesh = fetch(env.mesh, "");
  if (mesh === undefined) throw new TypeError("the mesh has no configuration");
  return mesh;
};
export const networkOf = (fetch: Fetch, env: Environment): string => fetch(env.network, "") ?? "";

const INHERITED = [DISTRIBUTION_ANNOTATION, CANARY_WEIGHT_ANNOTATION] as const;

function pick(annotations: Labels): Labels {
  return Object.fromEntries(
    INHERITED.flatMap((key) => (annotations[key] === undefined ? [] : [[key, annotations[key]]])),
  );
}

export function environment(graph: Graph, sources: MeshSources, o: ModelOptions): Environment {
  const namespaces = graph.derive("namespaces", sources.Namespace, (ns) => ({
    labels: labelsOf(ns),
    annotations: pick(annotationsOf(ns)),
  }));
  return {
    mesh: graph.value("mesh", (fetch) => fetch(sources.MeshConfig, "") ?? o.mesh),
    networks: graph.value("mesh networks", (fetch) => fetch(sources.MeshNetworks, "") ?? { networks: {} }),
    network: graph.value(
      "network",
      (fetch) => fetch(namespaces, o.systemNamespace)?.labels[NETWORK_LABEL] || o.network,
    ),
    revisions: graph.value("revisions", (fetch) => [...o.revisions, ...(fetch(sources.Tags, "") ?? [])]),
    namespaces,
    localities: graph.derive("localities", sources.Node, (node) => localityOf(labelsOf(node))),
  };
}

function localityOf(labels: Labels): Locality | undefined {
  const region = labels["topology.kubernetes.io/region"] ?? "";
  const zone = labels["topology.kubernetes.io/zone"] ?? "";
  const subzone = labels["topology.istio.io/subzone"] ?? "";
  return region === "" && zone === "" && subzone === "" ? undefined : { region, zone, subzone };
}

/** Whether discovery selectors let a namespace be seen (control-plane 7.6). */
function isDiscovered(fetch: Fetch, env: Environment, namespace: string, systemNamespace: string): boolean {
  const selectors = meshOf(fetch, env).discoverySelectors;
  if (selectors.length === 0 || namespace === systemNamespace) return true;
  const view = fetch(env.namespaces, namespace);
  return view !== undefined && selectors.some((selector) => selectorMatches(selector, view.labels));
}

/** Kinds of configuration, which a revision may claim for itself. */
const REVISIONED: ReadonlySet<string> = new Set([
  "ServiceEntry",
  "WorkloadEntry",
  "AuthorizationPolicy",
  "PeerAuthentication",
]);

/** The objects that this mesh is about: of namespaces that are discovered, and not another revision's. */
export function admitted(graph: Graph, sources: MeshSources, env: Environment, o: ModelOptions): MeshSources {
  const gate = <K extends keyof MeshSources & string>(kind: K): MeshSources[K] => {
    const admit = (object: Revisioned, fetch: Fetch): Revisioned | undefined => {
      if (REVISIONED.has(kind) && !isOurs(fetch, env, labelsOf(object))) return undefined;
      return isDiscovered(fetch, env, namespaceOf(object), o.systemNamespace) ? object : undefined;
    };
    return graph.derive(
      `${kind} (ours)`,
      sources[kind] as unknown as Collection<Revisioned>,
      admit,
    ) as unknown as MeshSources[K];
  };
  return {
    ...sources,
    Pod: gate("Pod"),
    Service: gate("Service"),
    EndpointSlice: gate("EndpointSlice"),
    ServiceEntry: gate("ServiceEntry"),
    WorkloadEntry: gate("WorkloadEntry"),
    AuthorizationPolicy: gate("AuthorizationPolicy"),
    PeerAuthentication: gate("PeerAuthentication"),
    Gateway: gate("Gateway"),
  };
}

interface Revisioned {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string | undefined;
    readonly labels?: Labels | null | undefined;
    readonly annotations?: Labels | null | undefined;
  };
}

function isOurs(fetch: Fetch, env: Environment, labels: Labels): boolean {
  const revision = labels[REVISION_LABEL];
  return revision === undefined || revision === "" || (fetch(env.revisions, "") ?? []).includes(revision);
}
