import { type Collection, type Fetch, type Graph, type Index } from "@lateen/collections";
import type { Authorization } from "@lateen/policy";
import {
  type AuthorizationPolicy,
  type Namespace,
  type Node,
  type PeerAuthentication,
  type Pod,
  type Service as KubeService,
  labelsMatch,
} from "@lateen/resources";
import type { Service, Workload } from "@lateen/workload-model";
import { type PolicyConversion, type PolicyEffect, convertAuthorizationPolicy } from "./authorization-policy.ts";
import { convertPeerAuthentication, effectiveMtls, mtlsPolicyKeys, staticStrict } from "./peer-authentication.ts";
import { type WorkloadOptions, podWorkload } from "./pod-workload.ts";
import { meshService } from "./service-address.ts";

/** The objects that the mesh follows from, by `namespace/name` (Namespaces and Nodes by name). */
export interface MeshSources {
  readonly pods: Collection<Pod>;
  readonly services: Collection<KubeService>;
  readonly namespaces: Collection<Namespace>;
  readonly nodes: Collection<Node>;
  readonly authorizationPolicies: Collection<AuthorizationPolicy>;
  readonly peerAuthentications: Collection<PeerAuthentication>;
}

export interface MeshModelOptions extends WorkloadOptions, PolicyConversion {}

/** What the node proxies are told; keys are resource names (dataplane 8.2). */
export interface MeshModel {
  readonly workloads: Collection<Workload>;
  readonly services: Collection<Service>;
  readonly authorizations: Collection<Authorization>;
  /** By `namespace/name` of each AuthorizationPolicy: what of it is in force, and what is not. */
  readonly policyEffects: Collection<PolicyEffect>;
}

interface Lookups {
  readonly servicesOf: Index<KubeService>;
  readonly selectorPolicies: Index<AuthorizationPolicy>;
  readonly peersOf: Index<PeerAuthentication>;
}

interface Enforcement {
  readonly at: Lookups;
  readonly effects: Collection<PolicyEffect>;
  readonly rootNamespace: string;
}

const namespaceOf = (o: { readonly metadata: { readonly namespace?: string | undefined } }): string =>
  o.metadata.namespace ?? "default";

function selectingServices(pod: Pod, fetch: Fetch, at: Lookups): readonly KubeService[] {
  return fetch.by(at.servicesOf, namespaceOf(pod)).filter(({ spec }) => {
    const selector = spec.selector ?? {};
    return (
      spec.type !== "ExternalName" && Object.keys(selector).length > 0 && labelsMatch(selector, pod.metadata.labels)
    );
  });
}

/** Selector policies of the pod's namespace and of the root, then what mutual TLS demands (control-plane 2.3). */
function policyKeys(pod: Pod, fetch: Fetch, from: Enforcement): readonly string[] {
  const { at, effects, rootNamespace } = from;
  const namespace = namespaceOf(pod);
  const homes = namespace === rootNamespace ? [namespace] : [namespace, rootNamespace];
  const selecting = homes
    .flatMap((home) => fetch.by(at.selectorPolicies, home))
    .filter((policy) => labelsMatch(policy.spec.selector?.matchLabels, pod.metadata.labels))
    .map((policy) => `${namespaceOf(policy)}/${policy.metadata.name}`)
    .filter((key) => fetch(effects, key)?.authorization != null)
    .sort();
  const peers = homes.flatMap((home) => fetch.by(at.peersOf, home));
  const mtls = effectiveMtls(peers, { namespace, labels: pod.metadata.labels ?? {} }, rootNamespace);
  return [...selecting, ...mtlsPolicyKeys(mtls, rootNamespace)];
}

/** Policies that PeerAuthentications turn into, by resource name; several may stem from one (control-plane 4.4). */
function peerPolicies(graph: Graph, sources: MeshSources, at: Lookups, o: MeshModelOptions): Collection<Authorization> {
  return graph.derive("peerPolicies", sources.peerAuthentications, (pa, fetch) => {
    const namespace = namespaceOf(pa);
    const peers = [namespace, o.rootNamespace].flatMap((home) => fetch.by(at.peersOf, home));
    const workload = { namespace, labels: pa.spec.selector?.matchLabels ?? {} };
    return (
      convertPeerAuthentication(pa, effectiveMtls(peers, workload, o.rootNamespace).mode, o.rootNamespace) ?? undefined
    );
  });
}

const name = (a: Authorization): string => `${a.namespace}/${a.name}`;

/**
 * Everything that the node proxies are told, derived from the objects and kept up to date with them.
 * @see control-plane 2 and 4
 */
export function meshModel(graph: Graph, sources: MeshSources, o: MeshModelOptions): MeshModel {
  const at: Lookups = {
    servicesOf: graph.index(sources.services, "namespace", (s) => [namespaceOf(s)]),
    selectorPolicies: graph.index(sources.authorizationPolicies, "selector", (p) =>
      p.spec.selector === undefined ? [] : [namespaceOf(p)],
    ),
    peersOf: graph.index(sources.peerAuthentications, "namespace", (pa) => [namespaceOf(pa)]),
  };
  const policyEffects = graph.derive("policyEffects", sources.authorizationPolicies, (policy) =>
    convertAuthorizationPolicy({ ...policy, metadata: { ...policy.metadata, namespace: namespaceOf(policy) } }, o),
  );
  const services = graph.deriveMany<KubeService, Service>("services", sources.services, (service, fetch) => {
    const made = meshService(service, fetch(sources.namespaces, namespaceOf(service)), o);
    return made === undefined ? [] : [[`${made.namespace}/${made.hostname}`, made]];
  });
  const workloads = graph.deriveMany<Pod, Workload>("workloads", sources.pods, (pod, fetch) => {
    const made = podWorkload(
      pod,
      {
        node: fetch(sources.nodes, pod.spec.nodeName ?? ""),
        services: selectingServices(pod, fetch, at),
        policyKeys: policyKeys(pod, fetch, { at, effects: policyEffects, rootNamespace: o.rootNamespace }),
      },
      o,
    );
    return made === undefined ? [] : [[made.uid, made]];
  });
  return {
    workloads,
    services,
    policyEffects,
    authorizations: authorizations(graph, sources, { policyEffects, at, o }),
  };
}

/** AuthorizationPolicies, what PeerAuthentications became, and the static strict policy as soon as there is one of these. */
function authorizations(
  graph: Graph,
  sources: MeshSources,
  from: { readonly policyEffects: Collection<PolicyEffect>; readonly at: Lookups; readonly o: MeshModelOptions },
): Collection<Authorization> {
  const { o } = from;
  const peers = peerPolicies(graph, sources, from.at, o);
  return graph.union<Authorization>("authorizations", [
    graph.deriveMany<PolicyEffect, Authorization>("policies", from.policyEffects, ({ authorization: a }) =>
      a === null ? [] : [[name(a), a]],
    ),
    graph.deriveMany<Authorization, Authorization>("peerPoliciesByName", peers, (a) => [[name(a), a]]),
    graph.summary("staticStrict", sources.peerAuthentications, (all) =>
      all.length === 0 ? [] : [[name(staticStrict(o.rootNamespace)), staticStrict(o.rootNamespace)]],
    ),
  ]);
}
