import type { PolicyReport } from "./policy-report.ts";
import { type ServiceInfo, type ServiceOrigin, originKey } from "./service-info.ts";
import type { WaypointBinding } from "./waypoint-binding.ts";

/** What stands between a client and a service. */
export interface ServiceReport {
  /** `Kind/namespace/name` of the object. */
  readonly object: string;
  readonly canonical: boolean;
  readonly visibility: "PUBLIC" | "NAMESPACE";
  /** The waypoint on the way, or why there is none. */
  readonly waypoint: string | null;
  readonly waypointProblem: string | null;
  /** Policies for the service that its waypoint enforces, by `namespace/name`. */
  readonly enforced: readonly string[];
  /** Policies for the service that nobody enforces, with the reason. */
  readonly unenforced: readonly string[];
  /** Ways to its endpoints on which those policies are not asked. */
  readonly bypasses: readonly string[];
}

/** How the targets of policies call a service. */
export function targetName({ kind, namespace, name }: ServiceOrigin): string {
  return `${kind}.${kind === "Service" ? "core" : "networking.istio.io"}:${namespace}/${name}`;
}

/**
 * @param policies those that name the service
 * @param guarded whether its endpoints admit only the waypoint
 */
export function serviceReport(
  info: ServiceInfo,
  binding: WaypointBinding,
  policies: readonly PolicyReport[],
  guarded: boolean,
): ServiceReport {
  const target = targetName(info.origin);
  const [enforced, unenforced]: [string[], string[]] = [[], []];
  for (const { key, targets } of policies) {
    const found = targets.find((t) => t.target === target);
    if (found?.bound) enforced.push(key);
    else if (found !== undefined) unenforced.push(`${key}: ${found.message}`);
  }
  return {
    object: originKey(info.origin),
    canonical: info.service.canonical,
    visibility: info.service.visibility,
    waypoint: binding.waypoint?.key ?? null,
    waypointProblem: binding.problem?.message ?? null,
    enforced,
    unenforced,
    bypasses: enforced.length === 0 || guarded ? [] : BYPASSES,
  };
}

const BYPASSES = [
  "clients that call an endpoint by its own address do not pass the waypoint",
  "clients outside of the mesh do not pass the waypoint",
] as const;
