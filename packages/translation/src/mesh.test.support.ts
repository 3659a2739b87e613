import { Graph } from "@lateen/collections";
import { parseResource } from "@lateen/resources";
import { type MeshModel, meshModel } from "./mesh-model.ts";
import { type ModelSettings, modelOptions } from "./model-options.ts";
import { type MeshInputs, meshInputs, putObject, removeObject } from "./sources.ts";

/** A mesh that follows from objects, as any source of them would put them. */
export interface Rig {
  readonly graph: Graph;
  readonly inputs: MeshInputs;
  readonly model: MeshModel;
  /** Puts objects in one step. @throws Error for an object that is invalid */
  put(...objects: readonly object[]): void;
  /** @param key `namespace/name`, or the name of kinds without a namespace */
  remove(kind: string, key: string): void;
}

export function rig(settings: ModelSettings = {}): Rig {
  const graph = new Graph();
  const inputs = meshInputs(graph);
  const model = meshModel(graph, inputs, modelOptions(settings));
  const set = (object: object): void => {
    const parsed = parseResource(object);
    if (parsed.t !== "resource") throw new Error(JSON.stringify(parsed));
    putObject(inputs, parsed.resource);
  };
  return {
    graph,
    inputs,
    model,
    put: (...objects) => graph.update(() => objects.forEach(set)),
    remove: (kind, key) => graph.update(() => removeObject(inputs, kind, key)),
  };
}
