import type { PlannedKind } from "./planned-object.ts";
import type { MergeRules } from "./strategic-merge.ts";

const METADATA = { "metadata.ownerReferences": "uid" } as const;
const POD = "spec.template.spec";

/** The lists of a container that are merged by a key. */
function container(path: string): Readonly<Record<string, string>> {
  return {
    [path]: "name",
    [`${path}.env`]: "name",
    [`${path}.ports`]: "containerPort",
    [`${path}.volumeMounts`]: "mountPath",
    [`${path}.volumeDevices`]: "devicePath",
  };
}

/** As the API types of Kubernetes have it in their `patchMergeKey` tags. */
export const MERGE_RULES: Readonly<Record<PlannedKind, MergeRules>> = {
  ServiceAccount: { keys: { ...METADATA, secrets: "name" } },
  Deployment: {
    keys: {
      ...METADATA,
      ...container(`${POD}.containers`),
      ...container(`${POD}.initContainers`),
      ...container(`${POD}.ephemeralContainers`),
      [`${POD}.volumes`]: "name",
      [`${POD}.imagePullSecrets`]: "name",
      [`${POD}.hostAliases`]: "ip",
      [`${POD}.topologySpreadConstraints`]: "topologyKey",
      [`${POD}.schedulingGates`]: "name",
      [`${POD}.resourceClaims`]: "name",
    },
  },
  Service: { keys: { ...METADATA, "spec.ports": "port" } },
  HorizontalPodAutoscaler: { keys: METADATA },
  PodDisruptionBudget: { keys: METADATA, replaced: ["spec.selector"] },
};
