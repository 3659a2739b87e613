import type { Collection } from "@lateen/collections";
import {
  type AboutBad,
  type ApiClient,
  type KubeMetrics,
  type ResourceFollower,
  type WantedCondition,
  type WorkQueue,
  apiResourceOf,
  createStatusWriter,
  readConditions,
} from "@lateen/kube";
import type { Logger } from "@lateen/telemetry";
import type { PolicyEffect } from "@lateen/translation";

/** What ztunnel makes of a policy (control-plane 3.7, 4.2). */
const ZTUNNEL_ACCEPTED = "ZtunnelAccepted";

export function conditionsOf(effect: PolicyEffect): readonly WantedCondition[] {
  if (effect.status === "NotForZtunnel") return [];
  const { status: reason, message, authorization } = effect;
  return [{ type: ZTUNNEL_ACCEPTED, status: authorization === null ? "False" : "True", reason, message }];
}

/** Says in each AuthorizationPolicy what of it is in force at L4. Whoever hears of a change adds its key. */
export function policyStatus(o: {
  readonly client: ApiClient;
  readonly follower: ResourceFollower;
  readonly effects: Collection<PolicyEffect>;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): Disposable & { readonly queue: WorkQueue } {
  const policies = o.follower.of("AuthorizationPolicy");
  const resource = apiResourceOf("AuthorizationPolicy");
  const queue = createStatusWriter({
    client: o.client,
    owner: "lateen-ztunnel-policy",
    owned: new Set([ZTUNNEL_ACCEPTED]),
    target(key) {
      const [namespace = "", name = ""] = key.split("/", 2);
      const common = { resource, version: policies.servedVersion, at: { namespace, name } };
      const bad = policies.bad.get(key);
      if (bad !== undefined) return { ...common, ...(bad.about as AboutBad) };
      const policy = policies.get(key);
      if (policy === undefined) return null;
      return { ...common, generation: policy.metadata.generation, conditions: readConditions(policy.status) };
    },
    wanted(key) {
      const bad = policies.bad.get(key);
      if (bad !== undefined)
        return [
          { type: ZTUNNEL_ACCEPTED, status: "False", reason: "Invalid", message: `It cannot be read: ${bad.why}` },
        ];
      const effect = o.effects.get(key);
      return effect === undefined ? null : conditionsOf(effect);
    },
    log: o.log,
    metrics: o.metrics,
  });
  const subscription = o.effects.subscribe((changes) => changes.forEach(({ key }) => queue.add(key)));
  return { queue, [Symbol.dispose]: () => subscription[Symbol.dispose]() };
}
