import { isStandIn, resourceKey } from "@lateen/resources";
import type { Manifest, ParsedManifests } from "./parse-manifests.ts";
import type { Problem } from "./problem.ts";

/** What one file says: its valid objects, and the last good ones in place of those that cannot be read now. */
export interface FileState {
  readonly objects: ReadonlyMap<string, Manifest>;
  readonly problems: readonly Problem[];
  /** The file seems to be gone: it yields to every other. */
  readonly stale?: boolean;
}

/** All objects that hold, by `resourceKey`, and all that is wrong. */
export interface Snapshot {
  readonly resources: ReadonlyMap<string, Manifest>;
  readonly problems: readonly Problem[];
}

/**
 * A newly parsed file: what is broken in it keeps its last good value, or is stood in for when it has none and was to restrict
 * somebody; what is no longer in it goes.
 */
export function mergeFile(before: FileState | undefined, parsed: ParsedManifests): FileState {
  const objects = new Map<string, Manifest>();
  const problems = [...parsed.problems];
  for (const manifest of parsed.objects) {
    const key = resourceKey(manifest.resource);
    const first = objects.get(key);
    if (first === undefined) objects.set(key, manifest);
    else problems.push(duplicate(key, manifest, first));
  }
  const kept = parsed.incomplete ? [...(before?.objects.keys() ?? [])] : parsed.invalid;
  for (const key of kept) {
    const last = before?.objects.get(key);
    if (last !== undefined && !objects.has(key)) objects.set(key, last);
  }
  for (const stand of parsed.standIns) {
    const key = resourceKey(stand.resource);
    const last = objects.get(key);
    if (last === undefined || isStandIn(last.resource)) objects.set(key, stand);
  }
  return { objects, problems };
}

/** Objects of an earlier run by the file that they came from, as far as the file lies in `folder`. */
export function filesOf(folder: string, manifests: Iterable<Manifest>): ReadonlyMap<string, FileState> {
  const files = new Map<string, { readonly objects: Map<string, Manifest>; readonly problems: readonly Problem[] }>();
  for (const manifest of manifests) {
    if (!manifest.file.startsWith(`${folder}/`)) continue;
    const file = files.get(manifest.file) ?? { objects: new Map<string, Manifest>(), problems: [] };
    files.set(manifest.file, file);
    file.objects.set(resourceKey(manifest.resource), manifest);
  }
  return files;
}

/**
 * Lays folders over each other: an object in a later folder takes the place of the same object in an earlier one. Within one
 * folder the first by file name stays and the other is a problem.
 * @param folders in order, each its files by path
 */
export function mergeFolders(
  folders: readonly { readonly files: ReadonlyMap<string, FileState>; readonly problems: readonly Problem[] }[],
): Snapshot {
  const resources = new Map<string, Manifest>();
  const problems: Problem[] = [];
  for (const folder of folders) {
    problems.push(...folder.problems);
    const here = new Map<string, Manifest>();
    for (const [, file] of [...folder.files].sort(byRank)) {
      problems.push(...file.problems);
      for (const [key, manifest] of file.objects) {
        const first = here.get(key);
        if (first === undefined || isStandIn(first.resource)) here.set(key, manifest);
        else if (file.stale !== true && !isStandIn(manifest.resource)) problems.push(duplicate(key, manifest, first));
      }
    }
    // What an earlier folder says well counts for more than what nobody can read.
    for (const [key, manifest] of here)
      if (!isStandIn(manifest.resource) || !resources.has(key)) resources.set(key, manifest);
  }
  return { resources, problems };
}

function byRank([a, x]: readonly [string, FileState], [b, y]: readonly [string, FileState]): number {
  return Number(x.stale ?? false) - Number(y.stale ?? false) || (a < b ? -1 : 1);
}

function duplicate(key: string, { file, line }: Manifest, first: Manifest): Problem {
  const message = `is already defined at ${first.file}:${first.line}, which stays in force`;
  return { severity: "error", file, line, column: 1, object: key.replace("/", " "), path: "", message };
}
