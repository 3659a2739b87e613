import { type Manifest, type Snapshot, watchManifests } from "@lateen/manifests";
import { type Kind, isStandIn, resourceKey } from "@lateen/resources";
import { type ResourceChange, keyInKind } from "@lateen/translation";
import type { LastGood } from "./last-good.ts";
import type { ObjectNews, ObjectSource } from "./object-source.ts";

/**
 * Folders of YAML as a source.
 * @returns once the first state is told
 */
export async function folderSource(o: {
  readonly dirs: readonly string[];
  readonly lastGood: LastGood;
  /** Whether a policy that cannot be read and has no earlier state lets nobody in, or counts for nothing. */
  readonly unreadable: "close" | "ignore";
  readonly onNews: (news: ObjectNews) => void;
  readonly signal: AbortSignal;
}): Promise<ObjectSource> {
  let before: ReadonlyMap<string, Manifest> = new Map();
  const watch = await watchManifests({
    dirs: o.dirs,
    lastGood: await o.lastGood.load(),
    signal: o.signal,
    onChange(snapshot: Snapshot) {
      const all = [...snapshot.resources];
      const now = new Map(o.unreadable === "close" ? all : all.filter(([, { resource }]) => !isStandIn(resource)));
      const changes = differences(before, now);
      before = now;
      o.onNews({ changes, problems: snapshot.problems });
      o.lastGood.keep(snapshot);
    },
  });
  return {
    locate(kind: Kind, key: string) {
      const [namespace, name] = key.includes("/") ? (key.split("/", 2) as [string, string]) : [undefined, key];
      const found = before.get(
        resourceKey({ kind, metadata: { name, namespace } } as Parameters<typeof resourceKey>[0]),
      );
      return found === undefined ? null : { file: found.file, line: found.line };
    },
    [Symbol.asyncDispose]: () => watch[Symbol.asyncDispose](),
  };
}

function differences(
  before: ReadonlyMap<string, Manifest>,
  after: ReadonlyMap<string, Manifest>,
): readonly ResourceChange[] {
  const changes: ResourceChange[] = [];
  for (const [key, { resource }] of before)
    if (!after.has(key)) changes.push({ kind: resource.kind, key: keyInKind(resource), after: undefined });
  for (const [key, { resource }] of after)
    if (before.get(key)?.resource !== resource)
      changes.push({ kind: resource.kind, key: keyInKind(resource), after: resource });
  return changes;
}
