import { parseIp } from "@lateen/addresses";
import type { WorkloadEntrySpec } from "@lateen/resources";
import type { GatewayAddress, Locality, PortMapping, Workload } from "@lateen/workload-model";
import { canonicalService } from "./canonical-service.ts";
import type { Behaviour } from "./model-options.ts";
import type { Labels } from "./objects.ts";
import { bareWorkload, tunnelOf } from "./workload-base.ts";

/** An address outside of Kubernetes' pods, with what its object says of it. */
export interface EntryWorkload {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly spec: WorkloadEntrySpec;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly workloadName: string;
}

export interface EntryWorkloadContext {
  readonly clusterId: string;
  readonly trustDomain: string;
  readonly network: string;
  readonly networkGateway: GatewayAddress | null;
  readonly waypoint: GatewayAddress | null;
  readonly services: ReadonlyMap<string, readonly PortMapping[]>;
  readonly policyKeys: readonly string[];
  readonly behaviour: Behaviour;
}

/** `region/zone/subzone`, of which the latter may be missing. */
export function parseLocality(text: string | undefined): Locality | null {
  if (!text) return null;
  const [region = "", zone = "", subzone = ""] = text.split("/");
  return { region, zone, subzone };
}

/** Where it is: an IP, a name to be resolved, or nowhere known; null for what no node proxy can reach. */
function place(address: string, behaviour: Behaviour): Pick<Workload, "addresses" | "hostname"> | null {
  if (address === "") return { addresses: [], hostname: "" };
  const ip = parseIp(address);
  if (ip.ok) return { addresses: [ip.value], hostname: "" };
  if (address.startsWith("unix://") || behaviour.endpoints === "addresses-only") return null;
  return { addresses: [], hostname: address };
}

/**
 * A WorkloadEntry, or an endpoint of a ServiceEntry, as the node proxies know it; undefined for a Unix socket.
 * @see control-plane 2.6
 */
export function entryWorkload(entry: EntryWorkload, context: EntryWorkloadContext): Workload | undefined {
  const { spec, labels } = entry;
  const at = place(spec.address ?? "", context.behaviour);
  if (at === null) return undefined;
  const bare = bareWorkload({ ...entry, ...context });
  const canonical = canonicalService(labels, entry.workloadName);
  const full = context.behaviour.endpoints === "all";
  return {
    ...bare,
    ...at,
    ...tunnelOf(labels, entry.annotations),
    identity: { ...bare.identity, serviceAccount: spec.serviceAccount || "default" },
    waypoint: context.waypoint,
    networkGateway: context.networkGateway,
    authorizationPolicies: context.policyKeys,
    services: context.services,
    canonicalName: canonical.name,
    canonicalRevision: canonical.revision,
    workloadType: "POD",
    workloadName: entry.workloadName,
    locality: full ? parseLocality(spec.locality) : null,
    capacity: full ? spec.weight || 1 : 1,
  };
}
