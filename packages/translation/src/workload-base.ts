import type { Workload } from "@lateen/workload-model";
import type { Labels } from "./objects.ts";

const TUNNEL_LABEL = "networking.istio.io/tunnel";
/** Written by the CNI agent when it has captured a pod. */
export const REDIRECTION_ANNOTATION = "ambient.istio.io/redirection";

/** How a workload is reached: through the node proxy that has captured it, or by its own HBONE listener. */
export function tunnelOf(labels: Labels, annotations: Labels): Pick<Workload, "tunnelProtocol" | "nativeTunnel"> {
  const nativeTunnel = (labels[TUNNEL_LABEL] ?? "").split(",").includes("http");
  const captured = annotations[REDIRECTION_ANNOTATION] === "enabled";
  return { tunnelProtocol: captured || nativeTunnel ? "HBONE" : "NONE", nativeTunnel };
}

/** A workload of which nothing is known but its place: the others are written over it. */
export function bareWorkload(at: {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly network: string;
  readonly clusterId: string;
  readonly trustDomain: string;
}): Workload {
  return {
    uid: at.uid,
    name: at.name,
    namespace: at.namespace,
    addresses: [],
    network: at.network,
    hostname: "",
    tunnelProtocol: "NONE",
    nativeTunnel: false,
    identity: { trustDomain: at.trustDomain, namespace: at.namespace, serviceAccount: "default" },
    node: "",
    networkMode: "STANDARD",
    status: "HEALTHY",
    waypoint: null,
    networkGateway: null,
    applicationTunnel: null,
    authorizationPolicies: [],
    services: new Map(),
    canonicalName: "",
    canonicalRevision: "",
    workloadType: "DEPLOYMENT",
    workloadName: "",
    clusterId: at.clusterId,
    locality: null,
    capacity: 1,
  };
}
