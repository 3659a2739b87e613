import type { Problem } from "@lateen/manifests";
import { type AboutBad, type ApiClient, type KubeMetrics, type ResourceFollower, followResources } from "@lateen/kube";
import type { Kind, Resource } from "@lateen/resources";
import type { Logger } from "@lateen/telemetry";
import type { ResourceChange } from "@lateen/translation";
import type { MeshSettings, ObjectNews, ObjectSource } from "../object-source.ts";

export interface KubeSource extends ObjectSource {
  readonly follower: ResourceFollower;
  /** The mesh's configuration changed. */
  meshChanged(mesh: MeshSettings | null): void;
  /** Other tags point to this revision. */
  tagsChanged(tags: readonly string[]): void;
}

/**
 * The API server as a source. What comes within one turn of the event loop is one step; the first step is everything.
 * @returns once everything is told @throws the signal's reason
 */
export async function kubeSource(o: {
  readonly client: ApiClient;
  readonly kinds: readonly Kind[];
  readonly onNews: (news: ObjectNews) => void;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
  readonly signal: AbortSignal;
  /** What holds at the beginning. */
  readonly mesh: MeshSettings | null;
  readonly tags: readonly string[];
  /** Whether a policy that cannot be read and has no earlier state lets nobody in, or counts for nothing. */
  readonly unreadable: "close" | "ignore";
  /** Hears which kinds are still awaited. */
  readonly onPending?: (kinds: readonly Kind[]) => void;
}): Promise<KubeSource> {
  /** By kind and key, so that of several changes of one object the last counts. */
  let waiting = new Map<string, ResourceChange>();
  let scheduled: NodeJS.Immediate | null = null;
  let begun = false;
  /** What is new besides objects. */
  let more: Pick<ObjectNews, "mesh" | "tags"> = { mesh: o.mesh, tags: o.tags };
  const schedule = (): void => {
    if (begun) scheduled ??= setImmediate(flush);
  };
  /** What stands in for policies that cannot be read, by `Kind/namespace/name`. */
  let standing: ReadonlyMap<string, Resource> = new Map();
  const standIn = (): void => {
    const { before, now } = { before: standing, now: standIns(follower) };
    standing = now;
    const put = (id: string, kind: Kind, after: Resource | undefined): void =>
      void waiting.set(id, { kind, key: id.slice(kind.length + 1), after });
    for (const [id, { kind }] of before)
      if (!now.has(id)) put(id, kind, follower.of(kind).get(id.slice(kind.length + 1)));
    for (const [id, resource] of now)
      if (JSON.stringify(before.get(id)) !== JSON.stringify(resource)) put(id, resource.kind, resource);
  };
  const flush = (): void => {
    scheduled = null;
    if (o.unreadable === "close") standIn();
    const changes = [...waiting.values()];
    waiting = new Map();
    const news = { changes, problems: problemsOf(follower, o.kinds, standing), ...more };
    more = {};
    o.onNews(news);
  };
  const follower = followResources({
    client: o.client,
    kinds: o.kinds,
    log: o.log,
    metrics: o.metrics,
    onChange(kind, changes) {
      for (const { key, after } of changes) waiting.set(`${kind}/${key}`, { kind, key, after });
      schedule();
      if (!begun) o.onPending?.(follower.pending());
    },
  });
  try {
    await follower.synced({ signal: o.signal });
  } catch (error) {
    follower[Symbol.dispose]();
    throw error;
  }
  begun = true;
  flush();
  return {
    follower,
    locate: () => null,
    meshChanged(mesh) {
      more = { ...more, mesh };
      schedule();
    },
    tagsChanged(tags) {
      more = { ...more, tags };
      schedule();
    },
    [Symbol.asyncDispose]() {
      follower[Symbol.dispose]();
      if (scheduled !== null) clearImmediate(scheduled);
      return Promise.resolve();
    },
  };
}

/** Kinds that restrict somebody. */
const POLICIES = ["AuthorizationPolicy", "PeerAuthentication"] as const;

function standIns(follower: ResourceFollower): ReadonlyMap<string, Resource> {
  const found = POLICIES.flatMap((kind) => {
    const policies = follower.of(kind);
    return [...policies.bad.values()].flatMap(({ key, about }) => {
      const { standIn } = about as AboutBad;
      return standIn === null || policies.get(key) !== undefined ? [] : [[`${kind}/${key}`, standIn] as const];
    });
  });
  return new Map(found);
}

function problemsOf(
  follower: ResourceFollower,
  kinds: readonly Kind[],
  standing: ReadonlyMap<string, Resource>,
): readonly Problem[] {
  return kinds.flatMap((kind) =>
    [...follower.of(kind).bad.values()].map(({ key, why }): Problem => {
      const closed = kind === "PeerAuthentication" ? "no plaintext" : "nobody";
      const message = standing.has(`${kind}/${key}`) ? `${why}; until it can be read, it lets ${closed} in` : why;
      return { severity: "error", file: "", line: 0, column: 0, object: `${kind} ${key}`, path: "", message };
    }),
  );
}
