import { namespaceOf } from "@lateen/resources";
import { suggest } from "@lateen/errors";
import type { ManifestObject } from "./manifest-object.ts";

/**
 * Which of a pod's names no manifest declares, in words, with the nearest that are: mostly slips of the finger. `default` is every
 * namespace's ServiceAccount.
 */
export function undeclaredNames(
  objects: readonly ManifestObject[],
  pod: { readonly namespace: string; readonly serviceAccount: string },
): readonly string[] {
  const spaces = new Set(objects.map((o) => (o.kind === "Namespace" ? o.metadata.name : namespaceOf(o))));
  spaces.delete("");
  if (!spaces.has(pod.namespace))
    return [`nothing declares namespace "${pod.namespace}": ${suggest(pod.namespace, [...spaces])}`];
  const accounts = objects
    .filter((o) => o.kind === "ServiceAccount" && namespaceOf(o) === pod.namespace)
    .map((o) => o.metadata.name);
  if (pod.serviceAccount === "default" || accounts.includes(pod.serviceAccount)) return [];
  return [
    `nothing declares ServiceAccount "${pod.serviceAccount}" in namespace "${pod.namespace}": ${suggest(pod.serviceAccount, accounts)}`,
  ];
}
