import type { LoadBalancing } from "@lateen/workload-model";
import type { Labels } from "./objects.ts";

export const DISTRIBUTION_ANNOTATION = "networking.istio.io/traffic-distribution";

const PREFERENCES: ReadonlyMap<string, LoadBalancing["routingPreference"]> = new Map([
  ["PreferClose", ["NETWORK", "REGION", "ZONE"]],
  ["PreferSameZone", ["NETWORK", "REGION", "ZONE"]],
  ["PreferSameNode", ["NETWORK", "REGION", "ZONE", "SUBZONE", "NODE"]],
]);

/**
 * Which endpoints come first, by the first of these that says anything; undefined when none does or with a word that is unknown.
 * @param said the field of the object, its annotations, the annotations of its Namespace
 * @see control-plane 2.4
 */
export function routingPreference(
  said: string | undefined,
  ...annotations: readonly (Labels | undefined)[]
): LoadBalancing["routingPreference"] | undefined {
  const words = [said, ...annotations.map((a) => a?.[DISTRIBUTION_ANNOTATION])];
  return PREFERENCES.get(words.find((word) => word !== undefined) ?? "");
}
