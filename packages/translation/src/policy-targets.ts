import type { Collection, Fetch } from "@lateen/collections";
import type { AuthorizationPolicy, GatewayClass } from "@lateen/resources";
import { namespaceOf } from "./objects.ts";
import type { MeshSources } from "./sources.ts";
import type { WaypointBinding } from "./waypoint-binding.ts";
import type { Waypoint } from "./waypoint.ts";

const WAYPOINT_CONTROLLER = "istio.io/mesh-controller";

/** What came of one target that a policy names. */
export interface TargetBinding {
  /** `<Kind>.<group or core>:<namespace>/<name>`. */
  readonly target: string;
  readonly bound: boolean;
  readonly reason: "Accepted" | "AncestorNotBound" | "TargetNotFound" | "Invalid";
  readonly message: string;
  /** Where the policy is enforced: the key of a waypoint, `all` for a class of them, or nowhere. */
  readonly waypoint: string | null;
}

export interface TargetLookups {
  readonly sources: MeshSources;
  readonly bindings: Collection<WaypointBinding>;
  readonly waypoints: Collection<Waypoint>;
}

type TargetRef = NonNullable<AuthorizationPolicy["spec"]["targetRef"]>;
type Found = Omit<TargetBinding, "target">;

const refused = (reason: TargetBinding["reason"], message: string): Found => ({
  bound: false,
  reason,
  message,
  waypoint: null,
});
const bound = (to: string, waypoint: string): Found => ({
  bound: true,
  reason: "Accepted",
  message: `bound to ${to}`,
  waypoint,
});

/** Everything that the policy names, in its order; none: it is no policy of waypoints. */
export function targetRefs(policy: AuthorizationPolicy): readonly TargetRef[] {
  const { targetRefs: several = [], targetRef: one } = policy.spec;
  return several.length > 0 ? several : one === undefined ? [] : [one];
}

/**
 * Where each target of a policy is served.
 * @see control-plane 3.7 and 4.3
 */
export function targetBindings(
  policy: AuthorizationPolicy,
  rootNamespace: string,
  fetch: Fetch,
  at: TargetLookups,
): readonly TargetBinding[] {
  const namespace = namespaceOf(policy);
  return targetRefs(policy).map((ref) => {
    const group = ref.group === "core" ? "" : (ref.group ?? "");
    const target = `${ref.kind}.${group || "core"}:${namespace}/${ref.name}`;
    return { target, ...find(`${group}/${ref.kind}`, { namespace, name: ref.name, rootNamespace }, fetch, at) };
  });
}

interface Sought {
  readonly namespace: string;
  readonly name: string;
  readonly rootNamespace: string;
}

function find(kind: string, sought: Sought, fetch: Fetch, at: TargetLookups): Found {
  const key = `${sought.namespace}/${sought.name}`;
  switch (kind) {
    case "/Service":
      return ofService("Service", key, fetch(at.sources.Service, key) !== undefined, { fetch, at });
    case "networking.istio.io/ServiceEntry":
      return ofService("ServiceEntry", key, fetch(at.sources.ServiceEntry, key) !== undefined, { fetch, at });
    case "gateway.networking.k8s.io/Gateway":
      return fetch(at.waypoints, key) === undefined
        ? refused("TargetNotFound", `Gateway ${key} is no waypoint, or has no address yet`)
        : bound(key, key);
    case "gateway.networking.k8s.io/GatewayClass":
      return ofClass(sought, fetch(at.sources.GatewayClass, sought.name));
    default:
      return refused("Invalid", `${kind} cannot be a target`);
  }
}

function ofService(
  kind: "Service" | "ServiceEntry",
  key: string,
  exists: boolean,
  { fetch, at }: { readonly fetch: Fetch; readonly at: TargetLookups },
): Found {
  if (!exists) return refused("TargetNotFound", `${kind} ${key} was not found`);
  const binding = fetch(at.bindings, `${kind}/${key}`);
  if (binding?.waypoint) return bound(binding.waypoint.key, binding.waypoint.key);
  const why = binding?.problem ? `: ${binding.problem.message}` : "";
  return refused("AncestorNotBound", `${kind} ${key} is not bound to a waypoint${why}`);
}

function ofClass({ namespace, name, rootNamespace }: Sought, found: GatewayClass | undefined): Found {
  if (namespace !== rootNamespace)
    return refused("Invalid", `a policy for a GatewayClass must be in the root namespace ${rootNamespace}`);
  if (found === undefined) return refused("TargetNotFound", `GatewayClass ${name} was not found`);
  if (found.spec.controllerName !== WAYPOINT_CONTROLLER)
    return refused(
      "Invalid",
      `GatewayClass ${name} is not for waypoints: its controller is not ${WAYPOINT_CONTROLLER}`,
    );
  return bound(name, "all");
}
