import type { Collection, Graph, Source } from "@lateen/collections";
import type { Kind, Resource, Resources } from "@lateen/resources";
import { type MeshModel, meshModel } from "./mesh-model.ts";
import type { ModelOptions } from "./model-options.ts";
import { keyInKind } from "./objects.ts";
import { FOLLOWED_KINDS, type FollowedKind, type MeshInputs, isFollowed, meshInputs } from "./sources.ts";

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
  readonly #inputs: MeshInputs;

  constructor(graph: Graph, options: ModelOptions) {
    this.#graph = graph;
    this.#inputs = meshInputs(graph);
    this.model = meshModel(graph, this.#inputs, options);
  }

  get pods(): Collection<Resources["Pod"]> {
    return this.#inputs.Pod;
  }

  /** An object as the model has it: what it says of one is said of this. */
  object(kind: FollowedKind, key: string): Resource | undefined {
    return this.#inputs[kind].get(key);
  }

  /** One step: puts what changed into the inputs, and derives what follows from it. */
  change(put: (inputs: MeshInputs) => void): void {
    this.#graph.update(() => put(this.#inputs));
  }

  /** Takes these changes in one step; kinds that nothing follows from are left aside. */
  apply(changes: Iterable<ResourceChange>): void {
    this.change((inputs) => applyChanges(inputs, changes));
  }

  /** Takes these resources for all that there are, in one step. */
  take(resources: Iterable<Resource>): void {
    const wanted = new Map<FollowedKind, Map<string, Resource>>(FOLLOWED_KINDS.map((kind) => [kind, new Map()]));
    for (const resource of resources)
      if (isFollowed(resource.kind)) wanted.get(resource.kind)?.set(keyInKind(resource), resource);
    this.change((inputs) => {
      for (const [kind, objects] of wanted) replace(inputs[kind] as Source<unknown>, objects);
    });
  }
}

/** Puts changes in their places, within a step; kinds that nothing follows from are left aside. */
export function applyChanges(inputs: MeshInputs, changes: Iterable<ResourceChange>): void {
  for (const { kind, key, after } of changes) if (isFollowed(kind)) (inputs[kind] as Source<unknown>).set(key, after);
}

function replace(source: Source<unknown>, objects: ReadonlyMap<string, unknown>): void {
  for (const [key] of source.entries()) if (!objects.has(key)) source.set(key, undefined);
  for (const [key, object] of objects) source.set(key, object);
}
