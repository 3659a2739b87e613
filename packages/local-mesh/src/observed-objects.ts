import { namespaceOf } from "@lateen/resources";
import type { ServicePlan } from "./cluster-ips.ts";
import type { DesiredPod } from "./desired-pods.ts";
import type { ManifestObject } from "./manifest-object.ts";
import { nodeLabels } from "./placement.ts";
import type { NodePlan, TopologyPlan } from "./topology.ts";

/** How far a pod has come, as its object shows it. */
export interface PodStatus {
  readonly uid: string;
  readonly node: string;
  readonly ips: readonly string[];
  readonly phase: "Pending" | "Running" | "Succeeded" | "Failed";
  readonly ready: boolean;
  /** The mesh has captured it: rules, listeners and identity were verified. */
  readonly enrolled: boolean;
  /** RFC 3339, when the pod was told to stop, else null. */
  readonly deletionTime: string | null;
}

export const REDIRECTION_ANNOTATION = "ambient.istio.io/redirection";
/** Where the system's own pods live. */
export const SYSTEM_NAMESPACE = "istio-system";

/** The Pod object that a kubelet and a scheduler would have left in the API server. */
export function observedPod(pod: DesiredPod, status: PodStatus): ManifestObject {
  const owner = pod.owner;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: pod.name,
      namespace: pod.namespace,
      uid: status.uid,
      labels: pod.labels,
      annotations: status.enrolled ? { ...pod.annotations, [REDIRECTION_ANNOTATION]: "enabled" } : pod.annotations,
      ...(owner === null
        ? {}
        : {
            generateName: `${owner.replicaSet}-`,
            ownerReferences: [
              {
                apiVersion: "apps/v1",
                kind: "ReplicaSet",
                name: owner.replicaSet,
                uid: owner.replicaSet,
                controller: true,
              },
            ],
          }),
      ...(status.deletionTime === null ? {} : { deletionTimestamp: status.deletionTime }),
    },
    spec: {
      ...pod.spec,
      nodeName: status.node,
      serviceAccountName: pod.template.serviceAccount,
    },
    status: podStatus(status),
  };
}

function podStatus(status: PodStatus): unknown {
  const [podIP] = status.ips;
  return {
    phase: status.phase,
    podIP,
    podIPs: status.ips.map((ip) => ({ ip })),
    conditions: [{ type: "Ready", status: status.ready && status.deletionTime === null ? "True" : "False" }],
  };
}

/** The Service with the addresses that it was given. */
export function observedService(object: ManifestObject, plan: ServicePlan): ManifestObject {
  const spec = (object.spec ?? {}) as Readonly<Record<string, unknown>>;
  const [clusterIP] = plan.clusterIps;
  if (clusterIP === undefined) return object;
  return { ...object, spec: { ...spec, clusterIP, clusterIPs: plan.clusterIps } };
}

export function observedNode(node: NodePlan): ManifestObject {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: node.name, labels: nodeLabels(node) },
    status: { addresses: [node.fabric.v4, node.fabric.v6].map((address) => ({ type: "InternalIP", address })) },
  };
}

/** The ztunnel pod of a node: the CA issues a node's identities to its ztunnel only, so it must know which runs where. */
export function observedZtunnel(node: NodePlan, uid: string): ManifestObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: ztunnelName(node),
      namespace: SYSTEM_NAMESPACE,
      uid,
      labels: { app: "ztunnel", "istio.io/dataplane-mode": "none" },
    },
    spec: {
      nodeName: node.name,
      serviceAccountName: "ztunnel",
      hostNetwork: true,
      containers: [{ name: "istio-proxy", image: "process" }],
    },
    status: {
      phase: "Running",
      podIP: node.fabric.v4,
      podIPs: [{ ip: node.fabric.v4 }, { ip: node.fabric.v6 }],
      conditions: [{ type: "Ready", status: "True" }],
    },
  };
}

export function ztunnelName(node: { readonly name: string }): string {
  return `ztunnel-${node.name}`;
}

/** Everything that this mesh adds to what its user wrote, by file name. */
export function observedFiles(o: {
  readonly topology: TopologyPlan;
  readonly ztunnelUids: ReadonlyMap<string, string>;
  readonly objects: readonly ManifestObject[];
  readonly services: readonly ServicePlan[];
  readonly pods: readonly { readonly pod: DesiredPod; readonly status: PodStatus }[];
}): ReadonlyMap<string, ManifestObject> {
  const files = new Map<string, ManifestObject>();
  const add = (object: ManifestObject): void => void files.set(observedFileName(object), object);
  add({ apiVersion: "v1", kind: "Namespace", metadata: { name: SYSTEM_NAMESPACE } });
  for (const node of o.topology.nodes) {
    add(observedNode(node));
    add(observedZtunnel(node, o.ztunnelUids.get(node.name) ?? ztunnelName(node)));
  }
  const plans = new Map(o.services.map((s) => [`${s.namespace}/${s.name}`, s]));
  for (const object of o.objects) {
    if (object.kind !== "Service" || object.apiVersion !== "v1") continue;
    const plan = plans.get(`${namespaceOf(object)}/${object.metadata.name}`);
    if (plan !== undefined) add(observedService(object, plan));
  }
  for (const { pod, status } of o.pods) if (status.ips.length > 0) add(observedPod(pod, status));
  return files;
}

/** One file per object; names of objects are DNS labels, so the file name is safe. */
export function observedFileName(object: ManifestObject): string {
  const safe = (text: string): string => text.replaceAll(/[^a-zA-Z0-9.-]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
  return `${[object.kind.toLowerCase(), namespaceOf(object), object.metadata.name].map(safe).join("_")}.yaml`;
}
