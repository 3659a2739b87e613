import fs from "node:fs";
import path from "node:path";
import { Graph } from "@lateen/collections";
import type { MeshFolders } from "@lateen/local-mesh";
import { type Manifest, parseKept, watchManifests } from "@lateen/manifests";
import { PolicyStore } from "@lateen/policy";
import { type MeshModel, ResourceModel, modelOptions } from "@lateen/translation";
import { WorkloadStore } from "@lateen/workload-model";
import type { MeshView } from "./explain-connection.ts";

/** What the control plane of a mesh reads: its user's folder, and its own. */
export function viewSources(
  folders: Pick<MeshFolders, "applied" | "observed" | "controlPlane">,
  manifests: string | null,
): { readonly dirs: readonly string[]; readonly lastGood: readonly Manifest[] } {
  const dirs = [...(manifests === null ? [] : [manifests]), folders.applied, folders.observed];
  return { dirs, lastGood: readLastGood(path.join(folders.controlPlane, "last-good.json")) };
}

/** The policies in force where a file is broken now; the control plane keeps them. None when it has not yet. */
function readLastGood(file: string): readonly Manifest[] {
  if (!fs.existsSync(file)) return [];
  const kept = parseKept(fs.readFileSync(file, "utf8"));
  return kept.ok ? kept.value : [];
}

interface MeshFiles {
  readonly dirs: readonly string[];
  readonly lastGood?: readonly Manifest[];
}

/** What a mesh's control plane makes of the folders that it reads. */
export async function readMeshModel(from: MeshFiles): Promise<MeshModel> {
  await using watch = await watchManifests({ ...from, onChange: () => undefined });
  // Every local mesh is started with the defaults.
  const resources = new ResourceModel(new Graph(), modelOptions());
  resources.take(Array.from(watch.snapshot.resources.values(), (manifest) => manifest.resource));
  return resources.model;
}

/** What the proxies of a mesh are told, from the folders that its control plane reads. */
export async function readMeshView(from: MeshFiles): Promise<MeshView> {
  const model = await readMeshModel(from);
  const workloads = new WorkloadStore(null);
  workloads.apply({ workloads: model.workloads.values(), services: model.services.values(), removed: [] });
  const policies = new PolicyStore();
  for (const policy of model.authorizations.values()) policies.upsert(policy);
  return { workloads, policies };
}
