import type { Pod } from "@lateen/resources";
import type { Workload } from "@lateen/workload-model";
import { type Labels, labelsOf } from "./objects.ts";

interface Owner {
  readonly name: string;
  readonly type: Workload["workloadType"];
}

/**
 * What made the pod, as people know it: the Deployment rather than its ReplicaSet, the CronJob rather than its Job.
 * @see control-plane 2.3
 */
export function podOwner(pod: Pod): Owner {
  const { name, generateName, ownerReferences } = pod.metadata;
  const owner = ownerReferences?.find((o) => o.controller === true);
  return owner === undefined || !generateName ? { name, type: "POD" } : controller(owner, labelsOf(pod));
}

function controller(owner: { readonly kind: string; readonly name: string }, labels: Labels): Owner {
  const { kind, name } = owner;
  if (kind === "ReplicaSet") {
    const hash = labels["pod-template-hash"] ?? labels["rollouts-pod-template-hash"];
    const made = hash !== undefined && name.endsWith(`-${hash}`);
    return { name: made ? name.slice(0, -hash.length - 1) : name, type: "DEPLOYMENT" };
  }
  if (kind === "ReplicationController" && labels["deploymentconfig"])
    return { name: labels["deploymentconfig"], type: "DEPLOYMENT" };
  if (kind !== "Job") return { name, type: "POD" };
  const cron = /^(.+)-\d{8,10}$/.exec(name)?.[1];
  return cron === undefined ? { name, type: "JOB" } : { name: cron, type: "CRONJOB" };
}
