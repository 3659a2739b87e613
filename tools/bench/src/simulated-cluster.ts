import { type Resource, parseResource } from "@lateen/resources";

export interface ClusterSize {
  readonly services: number;
  readonly pods: number;
}

const SERVICES_PER_NAMESPACE = 10;
const PODS_PER_NODE = 50;

/** The objects of a cluster as an API server would send them: namespaces of ten services, with policies and some waypoints. */
export function* simulatedCluster({ services, pods }: ClusterSize): Generator<object> {
  const perService = Math.max(1, Math.floor(pods / services));
  for (let i = 0; i < Math.ceil(pods / PODS_PER_NODE); i++) yield node(i);
  yield {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "GatewayClass",
    metadata: { name: "istio-waypoint" },
    spec: { controllerName: "istio.io/mesh-controller" },
  };
  yield peers("istio-system", "PERMISSIVE");
  for (let n = 0; n * SERVICES_PER_NAMESPACE < services; n++) {
    const count = Math.min(SERVICES_PER_NAMESPACE, services - n * SERVICES_PER_NAMESPACE);
    yield* simulatedNamespace(`team-${n}`, { first: n * SERVICES_PER_NAMESPACE, count, perService });
  }
}

/** One namespace with everything in it. @param o.first the number of its first service, which makes addresses differ */
export function* simulatedNamespace(
  name: string,
  o: { readonly first: number; readonly count: number; readonly perService: number },
): Generator<object> {
  const hasWaypoint = o.first % (5 * SERVICES_PER_NAMESPACE) === 0;
  const labels = {
    "istio.io/dataplane-mode": "ambient",
    ...(hasWaypoint ? { "istio.io/use-waypoint": "waypoint" } : {}),
  };
  yield { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
  if (hasWaypoint) yield waypoint(name);
  yield peers(name, "STRICT");
  for (let s = 0; s < o.count; s++) {
    const app = `app-${s}`;
    const number = o.first + s;
    yield service(name, app, number);
    yield policy(name, app);
    for (let p = 0; p < o.perService; p++) yield simulatedPod(name, app, number * o.perService + p);
  }
}

const address = (block: number, i: number): string => `${block}.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;

function node(i: number): object {
  const labels = { "topology.kubernetes.io/region": "r1", "topology.kubernetes.io/zone": `z${i % 3}` };
  return { apiVersion: "v1", kind: "Node", metadata: { name: `node-${i}`, labels } };
}

const peers = (namespace: string, mode: string): object => ({
  apiVersion: "security.istio.io/v1",
  kind: "PeerAuthentication",
  metadata: { name: "default", namespace },
  spec: { mtls: { mode } },
});

const waypoint = (namespace: string): object => ({
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "Gateway",
  metadata: { name: "waypoint", namespace },
  spec: { gatewayClassName: "istio-waypoint", listeners: [{ name: "mesh", port: 15_008, protocol: "HBONE" }] },
  status: { addresses: [{ type: "Hostname", value: `waypoint.${namespace}.svc.cluster.local` }] },
});

const service = (namespace: string, app: string, number: number): object => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: app, namespace, uid: `service-${number}`, creationTimestamp: "2026-01-01T00:00:00Z" },
  spec: {
    clusterIP: address(172, number),
    clusterIPs: [address(172, number)],
    ipFamilies: ["IPv4"],
    selector: { app },
    ports: [{ name: "http", port: 80, targetPort: 8080, protocol: "TCP" }],
  },
});

const policy = (namespace: string, app: string): object => ({
  apiVersion: "security.istio.io/v1",
  kind: "AuthorizationPolicy",
  metadata: { name: app, namespace },
  spec: {
    selector: { matchLabels: { app } },
    rules: [{ from: [{ source: { principals: [`cluster.local/ns/${namespace}/sa/app-0`] } }] }],
  },
});

/** @param number makes its name, node and address */
export function simulatedPod(namespace: string, app: string, number: number, ready = true): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `${app}-6d4c8b9f7-${number}`,
      generateName: `${app}-6d4c8b9f7-`,
      namespace,
      uid: `pod-${number}`,
      labels: { app, version: "v1", "pod-template-hash": "6d4c8b9f7" },
      annotations: { "ambient.istio.io/redirection": "enabled" },
      ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: `${app}-6d4c8b9f7`, controller: true }],
    },
    spec: {
      serviceAccountName: app,
      nodeName: `node-${Math.floor(number / PODS_PER_NODE)}`,
      containers: [{ name: "main", image: "registry.example/app:1", ports: [{ name: "http", containerPort: 8080 }] }],
    },
    status: {
      phase: "Running",
      podIP: address(10, number),
      podIPs: [{ ip: address(10, number) }],
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    },
  };
}

/** @throws Error for an object that the product refuses: then the bench would measure something else */
export function readSimulated(object: object): Resource {
  const parsed = parseResource(object);
  if (parsed.t === "resource") return parsed.resource;
  throw new Error(`a simulated object is refused: ${JSON.stringify(parsed).slice(0, 200)}`);
}

/** Namespace, app and number of the `n`th of pods that lie far apart. */
export function podOf(size: ClusterSize, n: number): readonly [namespace: string, app: string, number: number] {
  const number = (n * 7_919) % size.pods;
  const service = Math.floor(number / Math.floor(size.pods / size.services));
  return [`team-${Math.floor(service / 10)}`, `app-${service % 10}`, number];
}
