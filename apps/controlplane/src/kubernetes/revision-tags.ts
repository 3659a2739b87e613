import {
  type ApiClient,
  type ApiResource,
  type Decoded,
  type KubeMetrics,
  MUTATING_WEBHOOKS,
  type Reflector,
  SERVICES,
  startReflector,
} from "@lateen/kube";
import type { Logger } from "@lateen/telemetry";

/** Tags that point to a revision, as long as it is followed. */
export interface RevisionTags extends Disposable {
  synced(o: { readonly signal: AbortSignal }): Promise<void>;
  /** Each once, sorted. */
  names(): readonly string[];
}

/**
 * Follows the tags of a revision: webhook configurations, and Services of the control plane's namespace, that carry the labels
 * `istio.io/tag` and `istio.io/rev`.
 * @see control-plane 7.5
 */
export function followTags(o: {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly revision: string;
  readonly onChange: (names: readonly string[]) => void;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): RevisionTags {
  const follow = (resource: ApiResource, within: { readonly namespace?: string }): Reflector<string> =>
    startReflector<string>({
      ...{ client: o.client, log: o.log, metrics: o.metrics, resource, ...within },
      labelSelector: `istio.io/tag,istio.io/rev=${o.revision}`,
      form: "metadata",
      decode: readTag,
      onChange: () => o.onChange(names()),
    });
  const followed = [follow(MUTATING_WEBHOOKS, {}), follow(SERVICES, { namespace: o.namespace })];
  const names = (): readonly string[] =>
    [...new Set(followed.flatMap((r) => [...r.entries()].map(([, tag]) => tag)))].sort();
  return {
    names,
    async synced(wait) {
      await Promise.all(followed.map((r) => r.synced(wait)));
    },
    [Symbol.dispose]() {
      for (const reflector of followed) reflector[Symbol.dispose]();
    },
  };
}

function readTag(raw: unknown): Decoded<string> {
  const { metadata } = raw as { readonly metadata?: { readonly labels?: Readonly<Record<string, unknown>> } };
  const tag = metadata?.labels?.["istio.io/tag"];
  return typeof tag === "string" && tag !== "" ? { t: "good", value: tag } : { t: "bad", why: "its tag is no name" };
}
