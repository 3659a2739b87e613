import { openNftables } from "@lateen/linux";
import type { ServicePlan } from "./cluster-ips.ts";
import type { ServingPod } from "./service-endpoints.ts";
import { serviceRules } from "./service-rules.ts";

/** Keeps the Services' addresses of all nodes leading to pods. */
export interface ServiceRouter {
  /** Programs every node; nodes that have these rules already are not touched. @returns why one could not be, else null */
  update(services: readonly ServicePlan[], pods: readonly ServingPod[]): string | null;
}

/** @param nodes descriptors of the nodes' namespaces */
export function createServiceRouter(nodes: readonly number[]): ServiceRouter {
  const applied = new Map<number, string>();
  return {
    update(services, pods) {
      const ruleset = serviceRules(services, pods);
      const text = JSON.stringify(ruleset);
      try {
        for (const netns of nodes) {
          if (applied.get(netns) === text) continue;
          using nft = openNftables(netns);
          nft.replace(ruleset);
          applied.set(netns, text);
        }
        return null;
      } catch (e) {
        return `Cannot route Services to pods: ${e instanceof Error ? e.message : String(e)}`;
      }
    },
  };
}
