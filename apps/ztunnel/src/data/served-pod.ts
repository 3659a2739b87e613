import type { PodContext } from "./pod-context.ts";
import type { PodTunnels } from "./pod-tunnels.ts";

/** One pod with its tunnels, as those who accept its connections see it. */
export interface ServedPod {
  readonly context: PodContext;
  readonly tunnels: PodTunnels;
}
