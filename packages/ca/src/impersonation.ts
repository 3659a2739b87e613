import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import type { SpiffeIdentity } from "@lateen/identity";
import type { Caller } from "./caller.ts";

/** What an authority knows of one pod. */
export interface PodFacts {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly serviceAccount: string;
  /** Empty while it is not scheduled. */
  readonly node: string;
  /** Pods in phase `Failed` count for nothing. */
  readonly phase: string;
}

/** The pods of one cluster as the control plane sees them now. */
export interface PodView {
  pod(namespace: string, name: string): PodFacts | null;
  podsOnNode(node: string): Iterable<PodFacts>;
}

export interface ImpersonationRules {
  /** `namespace/serviceaccount` of node proxies; empty refuses every impersonation. */
  readonly trustedNodeAccounts: readonly string[];
  /** The mesh's own trust domain and its aliases. */
  readonly trustDomains: readonly string[];
  readonly pods: PodView;
}

/**
 * May this caller get a certificate for another identity? Only a trusted node account may, by a token that is bound to a pod
 * which exists, and only for identities with a pod on that pod's node.
 * @returns DENIED with the reason, which is for logs and not for the caller
 * @see dataplane 9.3, control-plane 6.3
 */
export function checkImpersonation(caller: Caller, wanted: SpiffeIdentity, rules: ImpersonationRules): Result<null> {
  if (caller.identity === null) return deny(`${caller.name} is no workload of this mesh`);
  const { namespace, serviceAccount } = caller.identity;
  const account = `${namespace}/${serviceAccount}`;
  if (!rules.trustedNodeAccounts.includes(account)) return deny(`${account} is not a trusted node account`);
  if (caller.pod === null) return deny(`${account} did not prove which pod it is: its token is not bound to one`);
  if (!rules.trustDomains.includes(wanted.trustDomain))
    return deny(`trust domain ${wanted.trustDomain} is not of this mesh`);
  const name = `${namespace}/${caller.pod.name}`;
  const pod = rules.pods.pod(namespace, caller.pod.name);
  if (pod === null || pod.phase === "Failed") return deny(`pod ${name} not found`);
  if (pod.uid !== caller.pod.uid) return deny(`pod ${name} found, but UID does not match`);
  if (pod.serviceAccount !== serviceAccount) return deny(`pod ${name} found, but ServiceAccount does not match`);
  if (pod.node === "") return deny(`pod ${name} is on no node`);
  for (const other of rules.pods.podsOnNode(pod.node)) {
    const same = other.namespace === wanted.namespace && other.serviceAccount === wanted.serviceAccount;
    if (same && other.node === pod.node && other.phase !== "Failed") return ok(null);
  }
  return deny(`no instances of ${wanted.namespace}/${wanted.serviceAccount} on node ${pod.node}`);
}

function deny(why: string): Result<never> {
  return fail(new MeshError(Code.Denied, `Cannot impersonate: ${why}`));
}
