import type { Collection, Graph } from "@lateen/collections";
import type { Authorization } from "@lateen/policy";
import type { PeerAuthentication } from "@lateen/resources";
import { type PolicyEffect, convertAuthorizationPolicy } from "./authorization-policy.ts";
import { type Environment, meshOf } from "./environment.ts";
import type { ModelOptions } from "./model-options.ts";
import { keyOf, namespaceOf } from "./objects.ts";
import { convertPeerAuthentication, staticStrict } from "./peer-authentication.ts";
import { type PolicyReport, policyReport } from "./policy-report.ts";
import { type TargetLookups, targetBindings } from "./policy-targets.ts";
import { type PolicyIndex, implicitPolicies, mtlsOf, policyIndex } from "./workload-policies.ts";

export interface PolicyStage {
  readonly index: PolicyIndex;
  /** What node proxies are told, by `namespace/name`. */
  readonly authorizations: Collection<Authorization>;
  /** By key of the AuthorizationPolicy. */
  readonly effects: Collection<PolicyEffect>;
  readonly reports: Collection<PolicyReport>;
}

const name = (a: Authorization): string => `${a.namespace}/${a.name}`;

/** What policies become, and whom they apply to. */
export function policyStage(
  graph: Graph,
  at: TargetLookups & { readonly env: Environment },
  o: ModelOptions,
): PolicyStage {
  const { sources, env } = at;
  const effects = graph.derive("policy effects", sources.AuthorizationPolicy, (policy, fetch) =>
    convertAuthorizationPolicy(
      { ...policy, metadata: { ...policy.metadata, namespace: namespaceOf(policy) } },
      { rootNamespace: meshOf(fetch, env).rootNamespace, dryRun: o.dryRun, httpOnlyDeny: o.httpOnlyDeny },
    ),
  );
  const selections = graph.derive("policy selections", sources.AuthorizationPolicy, (policy, fetch) =>
    fetch(effects, keyOf(policy))?.authorization == null
      ? undefined
      : { namespace: namespaceOf(policy), selector: policy.spec.selector && (policy.spec.selector.matchLabels ?? {}) },
  );
  const index = policyIndex(graph, selections, sources.PeerAuthentication, env);
  return {
    index,
    effects,
    authorizations: authorizations(graph, { effects, index, at }, o),
    reports: graph.derive("policy reports", sources.AuthorizationPolicy, (policy, fetch) => {
      const effect = fetch(effects, keyOf(policy));
      const { rootNamespace } = meshOf(fetch, env);
      return effect && policyReport(policy, effect, targetBindings(policy, rootNamespace, fetch, at));
    }),
  };
}

/** AuthorizationPolicies, what PeerAuthentications became, and the static strict policy as soon as there is one of these. */
function authorizations(
  graph: Graph,
  from: {
    readonly effects: Collection<PolicyEffect>;
    readonly index: PolicyIndex;
    readonly at: TargetLookups & { readonly env: Environment };
  },
  o: ModelOptions,
): Collection<Authorization> {
  const { sources, env, waypoints } = from.at;
  const any = graph.value("any peers", (fetch) => fetch.all(sources.PeerAuthentication).length > 0 || undefined);
  return graph.union<Authorization>("authorizations", [
    graph.deriveMany<PolicyEffect, Authorization>("policies", from.effects, ({ authorization: a }) =>
      a === null ? [] : [[name(a), a]],
    ),
    graph.deriveMany<PeerAuthentication, Authorization>("peer policies", sources.PeerAuthentication, (pa, fetch) => {
      const workload = { namespace: namespaceOf(pa), labels: pa.spec.selector?.matchLabels ?? {} };
      const { mode } = mtlsOf(workload, fetch, from.index);
      const made = convertPeerAuthentication(pa, mode, meshOf(fetch, env).rootNamespace);
      return made === null ? [] : [[name(made), made]];
    }),
    graph.deriveMany<true, Authorization>("strict policy", any, (_, fetch) => {
      const strict = staticStrict(meshOf(fetch, env).rootNamespace);
      return [[name(strict), strict]];
    }),
    implicitPolicies(graph, waypoints, env, o),
  ]);
}
