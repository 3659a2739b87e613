import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { type MeshConfig, parseMeshConfig } from "@lateen/resources";

/** What an older release did otherwise, one field for each difference (control-plane 2 and 8). */
export interface Behaviour {
  /** Whose network a workload has: the cluster's, or its own label's before that, as 1.21 had it. */
  readonly network: "cluster" | "workload";
  /** Pods in their node's network: told of without their address as a key, or not at all. */
  readonly hostNetworkPods: "tell" | "leave-out";
  readonly workloadType: "pod" | "owner";
  readonly serviceAddresses: "cluster-ips" | "cluster-ip-and-load-balancer";
  /** Endpoints of ServiceEntries: all, or as 1.21: without names, localities and weights. */
  readonly endpoints: "all" | "addresses-only";
  /** ExternalName Services: other names of their target, or opaque destinations of their own. */
  readonly externalNames: "alias" | "opaque";
}

const NEWEST: Behaviour = {
  network: "cluster",
  hostNetworkPods: "tell",
  workloadType: "pod",
  serviceAddresses: "cluster-ips",
  endpoints: "all",
  externalNames: "alias",
};
const V1_21: Behaviour = {
  network: "workload",
  hostNetworkPods: "leave-out",
  workloadType: "owner",
  serviceAddresses: "cluster-ip-and-load-balancer",
  endpoints: "addresses-only",
  externalNames: "alias",
};
/** Releases between differ in what waypoints and proxies are told, not in these. */
const BEHAVIOURS: ReadonlyMap<string, Behaviour> = new Map([
  ["", NEWEST],
  ...["1.31", "1.30", "1.29", "1.28", "1.27", "1.26", "1.25"].map((v) => [v, NEWEST] as const),
  ["1.21", V1_21],
  ["1.20", { ...V1_21, externalNames: "opaque" as const }],
]);

/**
 * How a release behaved, by the value `compatibilityVersion`; empty is the newest.
 * @returns BAD_INPUT for a release that is not supported
 * @see control-plane 8.1
 */
export function behaviourOf(compatibilityVersion: string): Result<Behaviour> {
  const behaviour = BEHAVIOURS.get(compatibilityVersion);
  if (behaviour !== undefined) return ok(behaviour);
  const known = [...BEHAVIOURS.keys()].filter((v) => v !== "").join(", ");
  return fail(
    new MeshError(
      Code.BadInput,
      `Unknown compatibility version ${JSON.stringify(compatibilityVersion)}: use one of ${known}`,
    ),
  );
}

export interface ModelOptions {
  readonly clusterId: string;
  /** Cluster domain, `cluster.local`. */
  readonly domain: string;
  /** Its Namespace carries the label of the cluster's network. */
  readonly systemNamespace: string;
  /** The cluster's network while that label says none. */
  readonly network: string;
  /** Values of `istio.io/rev` that are ours; configuration without the label is everybody's. */
  readonly revisions: readonly string[];
  /** What holds while no MeshConfig is given. */
  readonly mesh: MeshConfig;
  readonly behaviour: Behaviour;
  /** Whether policies annotated `istio.io/dry-run` are sent to be reported on; else they are left out. */
  readonly dryRun: boolean;
  /**
   * What becomes of the part of a DENY rule that holds only HTTP attributes: `enforce` leaves it out, so that the rest of the
   * rule denies, as Istio's status text says; `as-istio` sends the empty Match that Istio 1.31 sends, which ztunnel never
   * matches, so that nothing is denied (dataplane 7.5, "Trap").
   */
  readonly httpOnlyDeny: "enforce" | "as-istio";
  /** Whether pods behind a waypoint let nobody else in (PILOT_AUTO_ALLOW_WAYPOINT_POLICY). */
  readonly autoAllowWaypoint: boolean;
  /** Whether Services select WorkloadEntries (PILOT_ENABLE_K8S_SELECT_WORKLOAD_ENTRIES). */
  readonly servicesSelectEntries: boolean;
  /** Whether ServiceEntries select pods (PILOT_ENABLE_SERVICEENTRY_SELECT_PODS). */
  readonly entriesSelectPods: boolean;
  /** Whether `istio.io/ingress-use-waypoint` is heeded (ENABLE_INGRESS_WAYPOINT_ROUTING). */
  readonly ingressWaypoint: boolean;
}

export interface ModelSettings extends Partial<ModelOptions> {
  readonly trustDomain?: string;
  readonly rootNamespace?: string;
}

/** Options with the defaults of Istio 1.31 where nothing is given. */
export function modelOptions({ trustDomain, rootNamespace, ...given }: ModelSettings = {}): ModelOptions {
  return {
    clusterId: "Kubernetes",
    domain: "cluster.local",
    systemNamespace: rootNamespace ?? "istio-system",
    network: "",
    revisions: ["default"],
    mesh: defaultMesh(trustDomain, rootNamespace),
    behaviour: NEWEST,
    dryRun: false,
    httpOnlyDeny: "enforce",
    autoAllowWaypoint: false,
    servicesSelectEntries: true,
    entriesSelectPods: true,
    ingressWaypoint: true,
    ...given,
  };
}

function defaultMesh(trustDomain: string | undefined, rootNamespace: string | undefined): MeshConfig {
  const mesh = parseMeshConfig({ trustDomain, rootNamespace });
  if (mesh.ok) return mesh.value;
  throw mesh.error;
}
