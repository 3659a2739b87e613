import type { PodFacts, PodView } from "@lateen/ca";
import type { Collection, Index } from "@lateen/collections";
import type { Pod } from "@lateen/resources";

function facts({ metadata, spec, status }: Pod): PodFacts {
  return {
    name: metadata.name,
    namespace: metadata.namespace ?? "default",
    uid: metadata.uid ?? "",
    serviceAccount: spec.serviceAccountName || "default",
    node: spec.nodeName ?? "",
    phase: status?.phase ?? "Pending",
  };
}

/** The live pods, as the authority asks for them before it issues to a node proxy (dataplane 9.3). */
export function podView(pods: Collection<Pod>, byNode: Index<Pod>): PodView {
  return {
    pod: (namespace, name) => {
      const pod = pods.get(`${namespace}/${name}`);
      return pod === undefined ? null : facts(pod);
    },
    podsOnNode: (node) => byNode.lookup(node).map(facts),
  };
}

/** Pods of service accounts (`namespace/name`) that may be running, as `NAME.NAMESPACE`: so they call themselves over xDS. */
export function* podsOfAccounts(
  pods: Collection<Pod>,
  accounts: readonly string[],
): Generator<string, void, undefined> {
  for (const pod of pods.values()) {
    const { name, namespace, serviceAccount, phase } = facts(pod);
    if (phase !== "Succeeded" && phase !== "Failed" && accounts.includes(`${namespace}/${serviceAccount}`))
      yield `${name}.${namespace}`;
  }
}
