import type { Collection, Graph, Source } from "@lateen/collections";
import { type Kind, type Resource, type Resources, namespaceOf } from "@lateen/resources";
import { type MeshModel, type MeshModelOptions, meshModel } from "./mesh-model.ts";

/** Kinds that the model follows from; the others have no effect on the node proxies. */
export const FOLLOWED_KINDS = [
  "Pod",
  "Service",
  "Namespace",
  "Node",
  "AuthorizationPolicy",
  "PeerAuthentication",
] as const;
type Followed = (typeof FOLLOWED_KINDS)[number];
type Sources = { readonly [K in Followed]: Source<Resources[K]> };

/** One object that came or changed, or, without `after`, went. */
export interface ResourceChange {
  readonly kind: Kind;
  /** `namespace/name`, or the name of kinds without namespaces. */
  readonly key: string;
  readonly after: Resource | undefined;
}

/** The model of a mesh, fed with changes or whole sets of resources: what follows from equal ones is not computed again. */
export class ResourceModel {
  readonly model: MeshModel;
  readonly #graph: Graph;
  readonly #sources: Sources;

  constructor(graph: Graph, options: MeshModelOptions) {
    const source = <K extends Followed>(kind: K): Source<Resources[K]> => graph.source<Resources[K]>(kind);
    this.#graph = graph;
    this.#sources = {
      Pod: source("Pod"),
      Service: source("Service"),
      Namespace: source("Namespace"),
      Node: source("Node"),
      AuthorizationPolicy: source("AuthorizationPolicy"),
      PeerAuthentication: source("PeerAuthentication"),
    };
    const of = this.#sources;
    const sources = {
      pods: of.Pod,
      services: of.Service,
      namespaces: of.Namespace,
      nodes: of.Node,
      authorizationPolicies: of.AuthorizationPolicy,
      peerAuthentications: of.PeerAuthentication,
    };
    this.model = meshModel(graph, sources, options);
  }

  get pods(): Collection<Resources["Pod"]> {
    return this.#sources.Pod;
  }

  /** Takes these changes in one step; kinds that nothing follows from are left aside. */
  apply(changes: Iterable<ResourceChange>): void {
    this.#graph.update(() => {
      for (const { kind, key, after } of changes)
        if (isFollowed(kind)) (this.#sources[kind] as Source<unknown>).set(key, after);
    });
  }

  /** Takes these resources for all that there are, in one step. */
  take(resources: Iterable<Resource>): void {
    const wanted = new Map<Kind, Map<string, Resource>>(FOLLOWED_KINDS.map((kind) => [kind, new Map()]));
    for (const resource of resources) wanted.get(resource.kind)?.set(keyInKind(resource), resource);
    this.#graph.update(() => {
      for (const kind of FOLLOWED_KINDS) replace(this.#sources[kind] as Source<unknown>, wanted.get(kind) ?? new Map());
    });
  }
}

const isFollowed = (kind: Kind): kind is Followed => (FOLLOWED_KINDS as readonly Kind[]).includes(kind);

/** The key of an object among those of its kind: `namespace/name`, or the name of kinds without a namespace. */
export function keyInKind(resource: Pick<Resource, "kind" | "metadata">): string {
  const namespace = namespaceOf(resource);
  return namespace === "" ? resource.metadata.name : `${namespace}/${resource.metadata.name}`;
}

function replace(source: Source<unknown>, objects: ReadonlyMap<string, unknown>): void {
  for (const [key] of source.entries()) if (!objects.has(key)) source.set(key, undefined);
  for (const [key, object] of objects) source.set(key, object);
}
