import type { Problem } from "@lateen/manifests";
import { type ApiClient, type KubeMetrics, type ResourceFollower, followResources } from "@lateen/kube";
import type { Kind } from "@lateen/resources";
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
  const flush = (): void => {
    scheduled = null;
    const changes = [...waiting.values()];
    waiting = new Map();
    const news = { changes, problems: problemsOf(follower, o.kinds), ...more };
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

function problemsOf(follower: ResourceFollower, kinds: readonly Kind[]): readonly Problem[] {
  return kinds.flatMap((kind) =>
    [...follower.of(kind).bad.values()].map(({ key, why }): Problem => {
      const object = `${kind} ${key}`;
      return { severity: "error", file: "", line: 0, column: 0, object, path: "", message: why };
    }),
  );
}
