import type { Service, WeightedWaypoint } from "@lateen/workload-model";
import type { WaypointBinding } from "./waypoint-binding.ts";

type Fields = Pick<Service, "waypoint" | "weightedWaypoints" | "ingressUseWaypoint">;

/** What a service says of its waypoint: the first one, and both with their shares while there is a canary. */
export function waypointFields({ waypoint, canary, ingress }: WaypointBinding): Fields {
  if (waypoint === null) return { waypoint: null, weightedWaypoints: [] };
  const weighted: readonly WeightedWaypoint[] =
    canary === null
      ? []
      : [
          { destination: waypoint.address, weight: 100 - canary.weight },
          { destination: canary.address, weight: canary.weight },
        ];
  const fields = { waypoint: waypoint.address, weightedWaypoints: weighted };
  return ingress.useWaypoint ? { ...fields, ingressUseWaypoint: true } : fields;
}
