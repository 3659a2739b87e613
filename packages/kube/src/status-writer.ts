import type { Logger } from "@lateen/telemetry";
import type { ApiClient } from "./api-client.ts";
import { type ApiFailure, formatFailure } from "./api-failure.ts";
import { type ApiResource, type ObjectRef, apiVersionOf } from "./api-resource.ts";
import { type Condition, type WantedCondition, planConditions } from "./conditions.ts";
import type { KubeMetrics } from "./kube-metrics.ts";
import { objectAccess } from "./objects.ts";
import { type WorkOutcome, type WorkQueue, createWorkQueue, workDone } from "./work-queue.ts";

/** An object whose status is written, as it is now. */
export interface StatusTarget {
  readonly resource: ApiResource;
  /** Served version to write in. */
  readonly version: string;
  readonly at: ObjectRef;
  readonly generation: number | undefined;
  readonly conditions: readonly Condition[];
}

export interface StatusWriterOptions {
  readonly client: ApiClient;
  /** Field manager of all that is written here. */
  readonly owner: string;
  /** Types that this writer answers for. */
  readonly owned: ReadonlySet<string>;
  /** The object of a key, or null when it is gone. */
  readonly target: (key: string) => StatusTarget | null;
  /** What is to be said of it now; null: nothing is known yet, so leave it as it is. */
  readonly wanted: (key: string) => readonly WantedCondition[] | null;
  readonly log: Logger;
  readonly metrics?: KubeMetrics;
  readonly wallMs?: () => number;
}

/**
 * Keeps conditions of objects as they should be: looks at what is there and at what is wanted, and writes only a difference. Add a
 * key whenever either may have changed.
 * @see control-plane 3.7
 */
export function createStatusWriter(o: StatusWriterOptions): WorkQueue {
  /** What was written and is perhaps not seen yet, by key. */
  const written = new Map<string, { readonly seen: string; readonly conditions: readonly Condition[] }>();
  const writer = o.owner;

  async function work(key: string, signal: AbortSignal): Promise<WorkOutcome> {
    const target = o.target(key);
    const wanted = target === null ? null : o.wanted(key);
    if (target === null || wanted === null) {
      written.delete(key);
      return workDone();
    }
    // A write of ours that the object as we see it does not show yet counts as if it did.
    const seen = JSON.stringify(target.conditions);
    const ours = written.get(key);
    const current = ours?.seen === seen ? ours.conditions : target.conditions;
    const { generation } = target;
    const plan = planConditions({ current, wanted, owned: o.owned, generation, nowMs: (o.wallMs ?? Date.now)() });
    if (plan === null) {
      o.metrics?.wrote(writer, "unchanged");
      return workDone();
    }
    const failure = await apply(o, target, plan, signal);
    o.metrics?.wrote(writer, failure === null ? "ok" : "failed");
    if (failure === null) {
      const others = target.conditions.filter((c) => !o.owned.has(c.type));
      written.set(key, { seen, conditions: [...others, ...plan] });
      return workDone();
    }
    written.delete(key);
    return failure.status === 404
      ? workDone()
      : { t: "again", why: formatFailure(failure), afterMs: failure.retryAfterMs ?? 0 };
  }

  return createWorkQueue({ name: "write a status", work, log: o.log });
}

async function apply(
  o: StatusWriterOptions,
  { resource, version, at }: StatusTarget,
  conditions: readonly Condition[],
  signal: AbortSignal,
): Promise<ApiFailure | null> {
  const object = {
    apiVersion: apiVersionOf(resource, version),
    kind: resource.kind,
    metadata: { name: at.name, ...(at.namespace === "" ? {} : { namespace: at.namespace }) },
    status: { conditions },
  };
  const answer = await objectAccess(o.client, resource).apply(object, {
    owner: o.owner,
    subresource: "status",
    signal,
  });
  return answer.ok ? null : answer.error;
}
