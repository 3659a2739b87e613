import type { Collection, Fetch, Graph, Index } from "@lateen/collections";
import type { Authorization } from "@lateen/policy";
import type { PeerAuthentication } from "@lateen/resources";
import { type Environment, meshOf } from "./environment.ts";
import type { ModelOptions } from "./model-options.ts";
import { type Labels, namespaceOf } from "./objects.ts";
import { type EffectiveMtls, effectiveMtls, mtlsPolicyKeys } from "./peer-authentication.ts";
import { EMPTY_MATCH } from "./policy-values.ts";
import { type Selecting, SelectorIndex } from "./selector-index.ts";
import { type Waypoint } from "./waypoint.ts";

interface SelectingPolicy extends Selecting {
  readonly key: string;
}
interface SelectingPeers extends Selecting {
  readonly object: PeerAuthentication;
}

/** Which policies apply to which workloads. */
export interface PolicyIndex {
  readonly env: Environment;
  readonly selecting: SelectorIndex<SelectingPolicy>;
  /** PeerAuthentications of whole namespaces. */
  readonly wide: Index<PeerAuthentication>;
  readonly selectingPeers: SelectorIndex<SelectingPeers>;
}

/** A policy that node proxies know, and whom it is for when it selects. */
export interface PolicySelection {
  readonly namespace: string;
  /** Undefined: it is not attached by name. */
  readonly selector: Labels | undefined;
}

const selectorOf = (pa: PeerAuthentication): Labels => pa.spec.selector?.matchLabels ?? {};
const isWide = (pa: PeerAuthentication): boolean => Object.keys(selectorOf(pa)).length === 0;

/** @param policies by `namespace/name`, those that are in force at node proxies */
export function policyIndex(
  graph: Graph,
  policies: Collection<PolicySelection>,
  peers: Collection<PeerAuthentication>,
  env: Environment,
): PolicyIndex {
  const selecting = graph.derive("selecting policies", policies, ({ namespace, selector }, _, key) =>
    selector === undefined ? undefined : { key, namespace, selector },
  );
  const selectingPeers = graph.derive("selecting peers", peers, (pa) =>
    isWide(pa) ? undefined : { namespace: namespaceOf(pa), selector: selectorOf(pa), object: pa },
  );
  return {
    env,
    selecting: new SelectorIndex<SelectingPolicy>(graph, selecting),
    wide: graph.index(peers, "wide", (pa) => (isWide(pa) ? [namespaceOf(pa)] : [])),
    selectingPeers: new SelectorIndex<SelectingPeers>(graph, selectingPeers),
  };
}

interface Target {
  readonly namespace: string;
  readonly labels: Labels;
}

/** What mutual TLS a workload demands. */
export function mtlsOf(target: Target, fetch: Fetch, index: PolicyIndex): EffectiveMtls {
  const root = meshOf(fetch, index.env).rootNamespace;
  const homes = target.namespace === root ? [root] : [target.namespace, root];
  const wide = homes.flatMap((home) => fetch.by(index.wide, home));
  const selecting = index.selectingPeers.matching(fetch, target.namespace, target.labels).map((s) => s.object);
  return effectiveMtls([...wide, ...selecting], target, root);
}

/**
 * Keys of what is attached to a workload by name: selector policies of its namespace and of the root namespace, then what
 * mutual TLS demands.
 * @see control-plane 2.3
 */
export function workloadPolicies(target: Target, fetch: Fetch, index: PolicyIndex): readonly string[] {
  const root = meshOf(fetch, index.env).rootNamespace;
  const homes = target.namespace === root ? [root] : [target.namespace, root];
  const selecting = homes
    .flatMap((home) => index.selecting.matching(fetch, home, target.labels))
    .map((policy) => policy.key)
    .sort();
  return [...selecting, ...mtlsPolicyKeys(mtlsOf(target, fetch, index), root)];
}

const implicitName = (w: Waypoint): string => `istio_allow_waypoint_${w.namespace}_${w.name}`;

/** The key of the policy that lets only a waypoint in; null while the waypoint has no instance. */
export function implicitKey(w: Waypoint): string | null {
  return w.serviceAccounts.length === 0 ? null : `${w.namespace}/${implicitName(w)}`;
}

/**
 * For each waypoint a policy that lets in nobody but its instances; it is attached to the pods behind it.
 * @see control-plane 4.5
 */
export function implicitPolicies(
  graph: Graph,
  waypoints: Collection<Waypoint>,
  env: Environment,
  o: ModelOptions,
): Collection<Authorization> {
  return graph.deriveMany<Waypoint, Authorization>("implicit policies", waypoints, (waypoint, fetch) => {
    const key = o.autoAllowWaypoint ? implicitKey(waypoint) : null;
    if (key === null) return [];
    const { trustDomain } = meshOf(fetch, env);
    const principals = waypoint.serviceAccounts.map((sa) => ({
      t: "exact" as const,
      value: `${trustDomain}/ns/${waypoint.namespace}/sa/${sa}`,
    }));
    const policy: Authorization = {
      name: implicitName(waypoint),
      namespace: waypoint.namespace,
      scope: "WorkloadSelector",
      action: "Allow",
      rules: [{ clauses: [{ matches: [{ ...EMPTY_MATCH, principals }] }] }],
      dryRun: false,
    };
    return [[key, policy]];
  });
}
