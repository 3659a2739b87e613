import fs from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { Code, MeshError } from "@lateen/errors";
import { type Manifest, formatProblem, parseManifests, watchManifests } from "@lateen/manifests";
import { namespaceOf, resourceKey } from "@lateen/resources";
import { stringify } from "yaml";
import type { ObjectName } from "./api-server.ts";
import type { ManifestObject } from "./manifest-object.ts";
import { observedFileName } from "./observed-objects.ts";
import { writeWholeFiles } from "./whole-files.ts";

/** What the user of a mesh asks for: a watched folder, and objects applied by hand that lie over it. */
export interface ManifestSource extends AsyncDisposable {
  readonly objects: readonly ManifestObject[];
  /** What is wrong in the files, one line each. */
  readonly problems: readonly string[];
  /**
   * @returns one line per object
   * @throws MeshError BAD_INPUT with every problem, UNAVAILABLE when the disk refuses; then nothing was applied
   */
  apply(yaml: string): readonly string[];
  /** @returns one line per object @throws MeshError NO_ROUTE for one that was not applied; then nothing was deleted */
  delete(objects: readonly ObjectName[]): readonly string[];
}

export async function openManifestSource(o: {
  /** The user's folder, null for none. */
  readonly folder: string | null;
  readonly applied: string;
  readonly onChange: (objects: readonly ManifestObject[]) => void;
}): Promise<ManifestSource> {
  const dirs = [...(o.folder === null ? [] : [o.folder]), o.applied];
  const watch = await watchManifests({ dirs, onChange: (s) => o.onChange(objectsOf(s.resources.values())) });
  return {
    get objects() {
      return objectsOf(watch.snapshot.resources.values());
    },
    get problems() {
      return watch.snapshot.problems.map(formatProblem);
    },
    apply: (yaml) => applyObjects(o.applied, yaml, (key) => watch.snapshot.resources.get(key)?.resource),
    delete: (names) => deleteObjects(o.applied, names, watch.snapshot.resources),
    [Symbol.asyncDispose]: () => watch[Symbol.asyncDispose](),
  };
}

/** Validated resources are manifest objects: the schemas are stricter than what this package asks of an object. */
function objectsOf(manifests: Iterable<Manifest>): readonly ManifestObject[] {
  return Array.from(manifests, (m) => m.resource);
}

function applyObjects(folder: string, yaml: string, inForce: (key: string) => unknown): readonly string[] {
  const { objects, problems } = parseManifests(yaml, "input");
  const errors = problems.filter((p) => p.severity === "error" || p.path === "");
  if (errors.length > 0) throw new MeshError(Code.BadInput, `Cannot apply: ${errors.map(formatProblem).join("\n")}`);
  if (objects.length === 0) throw new MeshError(Code.BadInput, "Cannot apply: there is no object in the input");
  const names = objects.map(({ resource: r }) => label(r.kind, namespaceOf(r), r.metadata.name));
  const lines = objects.map(({ resource }, i) => {
    const before = inForce(resourceKey(resource));
    const verb = before === undefined ? "created" : isDeepStrictEqual(before, resource) ? "unchanged" : "configured";
    return `${names[i] ?? ""} ${verb}`;
  });
  try {
    writeWholeFiles(new Map(objects.map(({ resource: r }) => [path.join(folder, observedFileName(r)), stringify(r)])));
  } catch (e) {
    throw notWritten(`Cannot apply ${names.length === 1 ? (names[0] ?? "") : `${names.length} objects`}`, e);
  }
  return lines;
}

/** The disk is full, or read-only: what was applied before stays as it was. */
function notWritten(what: string, e: unknown): MeshError {
  return new MeshError(Code.Unavailable, `${what}: ${e instanceof Error ? e.message : String(e)}`, {}, e);
}

function deleteObjects(
  folder: string,
  names: readonly ObjectName[],
  present: ReadonlyMap<string, Manifest>,
): readonly string[] {
  const files = names.map((n) => path.join(folder, observedFileName(named(n))));
  names.forEach((n, i) => {
    const file = files[i];
    if (file !== undefined && fs.existsSync(file)) return;
    const there = present.get(resourceKey(named(n) as Parameters<typeof resourceKey>[0]));
    const why = there === undefined ? "there is no such object" : `it is written in "${there.file}": remove it there`;
    throw new MeshError(Code.NoRoute, `Cannot delete ${label(n.kind, n.namespace, n.name)}: ${why}`);
  });
  try {
    for (const file of files) fs.rmSync(file, { force: true });
  } catch (e) {
    throw notWritten("Cannot delete objects", e);
  }
  return names.map((n) => `${label(n.kind, n.namespace, n.name)} deleted`);
}

function named(n: ObjectName): ManifestObject {
  const namespace = n.namespace === "" ? undefined : n.namespace;
  return { apiVersion: "v1", kind: n.kind, metadata: { name: n.name, namespace } };
}

function label(kind: string, namespace: string, name: string): string {
  return `${kind.toLowerCase()}/${name}${namespace === "" ? "" : `.${namespace}`}`;
}
