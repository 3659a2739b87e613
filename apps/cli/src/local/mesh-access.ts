import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Code, MeshError } from "@lateen/errors";
import { type EntryPoints, type MeshClient, type MeshFolders, meshFolders, openMeshClient } from "@lateen/local-mesh";
import type { Flag, Given, Terminal } from "../command.ts";

/** Which of several meshes of this user is meant. */
export const meshFlag: Flag = {
  type: "string",
  value: "NAME",
  default: "default",
  help: "name of the mesh",
};

/** Where a name without a namespace is looked for. */
export const namespaceFlag: Flag = {
  type: "string",
  short: "n",
  value: "NAMESPACE",
  help: "namespace of the name, where it carries none (default: any)",
};

/** `[TYPE/]NAME` in the namespace that was given; a name that carries its own stays as it is. */
export function withNamespace(name: string, namespace: string): string {
  const [before = "", after] = name.split("/");
  const bare = after ?? before;
  const typed = after === undefined || /^(pods?|po|deployments?|deploy|services?|svc)$/.test(before);
  return namespace === "" || bare.includes(".") || !typed ? name : `${name}.${namespace}`;
}

/** @throws MeshError BAD_INPUT for a name or a path that cannot be used */
export function foldersOf(given: Given, terminal: Terminal): MeshFolders {
  const folders = meshFolders({ mesh: given.text("mesh"), env: terminal.env, uid: terminal.uid });
  if (!folders.ok) throw folders.error;
  return folders.value;
}

/** @throws MeshError UNAVAILABLE when that mesh is not running */
export function clientOf(given: Given, terminal: Terminal): Promise<MeshClient> {
  return openMeshClient(foldersOf(given, terminal), terminal.interrupted);
}

/**
 * The programs of a mesh: beside this one in the workspace, else in their installed packages.
 * @throws MeshError UNAVAILABLE when one is nowhere
 */
export function entryPoints(): EntryPoints {
  return { controlPlane: entryPoint("controlplane"), cni: entryPoint("cni"), ztunnel: entryPoint("ztunnel") };
}

function entryPoint(app: string): string {
  const here = fileURLToPath(import.meta.url);
  const extension = path.extname(here);
  const folder = extension === ".ts" ? "src" : "dist";
  const beside = path.resolve(path.dirname(here), "..", "..", "..", app, folder, `main${extension}`);
  if (fs.existsSync(beside)) return beside;
  try {
    const index = fileURLToPath(import.meta.resolve(`@lateen/${app}`));
    return path.join(path.dirname(index), `main${path.extname(index)}`);
  } catch (e) {
    throw new MeshError(Code.Unavailable, `Cannot find @lateen/${app}: install it beside @lateen/cli`, {}, e);
  }
}
