import type { ServiceEntry } from "@lateen/resources";
import { isWildcard } from "@lateen/hostnames";
import type { PolicyReport } from "./policy-report.ts";
import type { Shadow } from "./service-stage.ts";
import type { TargetBinding } from "./policy-targets.ts";
import type { WaypointBinding } from "./waypoint-binding.ts";

/** A condition as it is written into the status of an object; one that is not listed does not hold any more. */
export interface Condition {
  readonly type: ConditionType;
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
}
export const CONDITION_TYPES = [
  "istio.io/WaypointBound",
  "istio.io/WaypointMissing",
  "istio.io/VisibilityApplied",
  "lateen.dev/HostShadowed",
  "ZtunnelAccepted",
  "WaypointAccepted",
] as const;
export type ConditionType = (typeof CONDITION_TYPES)[number];

/** Types that say something is wrong when they are true. */
const WRONG_WHEN_TRUE: ReadonlySet<ConditionType> = new Set(["istio.io/WaypointMissing", "lateen.dev/HostShadowed"]);
/** Reasons that say something is wrong although the condition is true. */
const WRONG_REASONS: ReadonlySet<string> = new Set(["UnsupportedValue", "PartiallyInvalid"]);

/** Whether a condition says that the object does not do what it asks for. */
export function isWarning({ type, status, reason }: Condition): boolean {
  return status === "False" || WRONG_WHEN_TRUE.has(type) || WRONG_REASONS.has(reason);
}

/** Everything that is said of one object, and which generation of it. */
export interface ObjectConditions {
  readonly generation: number | null;
  readonly conditions: readonly Condition[];
}

/** Whether it is bound to the waypoint that it asks for; nothing where it asks for none. */
export function waypointBound(binding: WaypointBinding): readonly Condition[] {
  const { waypoint, problem } = binding;
  const type = "istio.io/WaypointBound";
  if (problem !== null) return [{ type, status: "False", reason: problem.reason, message: problem.message }];
  if (waypoint === null) return [];
  const message = [`attached to waypoint ${waypoint.key}`, ...remarks(binding)].join("; ");
  return [{ type, status: "True", reason: "WaypointAccepted", message }];
}

function remarks({ ingress, canary, canaryProblem }: WaypointBinding): readonly string[] {
  const through = ingress.useWaypoint
    ? "ingress gateways send through it"
    : "ingress gateways do not send through it: set istio.io/ingress-use-waypoint to true for that";
  return [
    ...(ingress.said ? [through] : []),
    ...(canary === null ? [] : [`${canary.weight} % of connections go to canary ${canary.key}`]),
    ...(canaryProblem === null ? [] : [`the canary is left out: ${canaryProblem.message}`]),
  ];
}

const CONNECT_STRATEGY = "ambient.istio.io/connect-strategy";

/** Hosts that node proxies cannot serve by themselves need a waypoint (control-plane 3.3). */
export function waypointMissing(entry: ServiceEntry, binding: WaypointBinding): readonly Condition[] {
  if (binding.waypoint !== null) return [];
  const type = "istio.io/WaypointMissing";
  const wildcard = entry.spec.hosts.find(isWildcard);
  if (wildcard !== undefined)
    return [
      {
        type,
        status: "True",
        reason: "NoWaypointForWildcardService",
        message: `${wildcard} is only served through a waypoint, and none is bound`,
      },
    ];
  const strategy = entry.metadata.annotations?.[CONNECT_STRATEGY];
  if (strategy === undefined || strategy === "" || strategy === "DEFAULT") return [];
  return [
    {
      type,
      status: "True",
      reason: "NoWaypointForRacingConnectStrategy",
      message: `connecting by ${strategy.slice(0, 60)} is only done by a waypoint, and none is bound`,
    },
  ];
}

const VISIBILITY = {
  PUBLIC: ["Public", "every namespace may use it"],
  NAMESPACE: ["Namespace", "only its own namespace may use it"],
  NONE: ["None", "nobody may use it: the mesh hides ServiceEntries of its namespace"],
} as const;

/** Who may see it, once the mesh says anything about that. */
export function visibilityApplied(visibility: keyof typeof VISIBILITY): Condition {
  const [reason, message] = VISIBILITY[visibility];
  return { type: "istio.io/VisibilityApplied", status: "True", reason, message };
}

/** Hosts that another object of the same name has. */
export function hostShadowed(shadows: readonly Shadow[]): readonly Condition[] {
  if (shadows.length === 0) return [];
  const which = shadows.map((s) => `${s.hostname} (${s.by.kind} ${s.by.namespace}/${s.by.name})`).slice(0, 10);
  const more = shadows.length > which.length ? ` and ${shadows.length - which.length} more` : "";
  return [
    {
      type: "lateen.dev/HostShadowed",
      status: "True",
      reason: shadows.some((s) => s.by.kind === "Service") ? "ShadowedByService" : "ShadowedByOlderServiceEntry",
      message: `has no effect for hosts that another object has: ${which.join(", ")}${more}`,
    },
  ];
}

/** What node proxies and waypoints make of a policy. */
export function policyConditions(report: PolicyReport): readonly Condition[] {
  if (report.targets.length > 0) return [waypointAccepted(report.targets)];
  const { ztunnel } = report;
  if (ztunnel === null) return [];
  const { authorization, status, message } = ztunnel;
  return [{ type: "ZtunnelAccepted", status: authorization === null ? "False" : "True", reason: status, message }];
}

function waypointAccepted(targets: readonly TargetBinding[]): Condition {
  const type = "WaypointAccepted";
  const failed = targets.filter((t) => !t.bound);
  const [only] = targets;
  if (targets.length === 1 && only !== undefined)
    return { type, status: only.bound ? "True" : "False", reason: only.reason, message: only.message };
  const names = failed.map((t) => t.target).join(", ");
  if (failed.length === 0) return { type, status: "True", reason: "Accepted", message: "bound to all targets" };
  if (failed.length < targets.length)
    return { type, status: "True", reason: "PartiallyInvalid", message: `not bound to ${names}` };
  return { type, status: "False", reason: "Invalid", message: `bound to no target: ${names}` };
}
