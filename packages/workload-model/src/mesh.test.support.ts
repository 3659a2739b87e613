import fc from "fast-check";
import type { AddressUpdate, GatewayAddress, PortMapping, Service, Workload } from "./model.ts";
import { WorkloadStore } from "./workload-store.ts";

export const identityOf = (serviceAccount: string, namespace = "ns"): Workload["identity"] => ({
  trustDomain: "cluster.local",
  namespace,
  serviceAccount,
});

/** A meshed pod `ns/<name>` with service account `<name>`. */
export function workload(name: string, over: Partial<Workload> = {}): Workload {
  const namespace = over.namespace ?? "ns";
  return {
    uid: `Kubernetes//Pod/${namespace}/${name}`,
    name,
    namespace,
    addresses: [],
    network: "",
    hostname: "",
    tunnelProtocol: "HBONE",
    nativeTunnel: false,
    identity: identityOf(name, namespace),
    node: "node-1",
    networkMode: "STANDARD",
    status: "HEALTHY",
    waypoint: null,
    networkGateway: null,
    applicationTunnel: null,
    authorizationPolicies: [],
    services: new Map(),
    canonicalName: name,
    canonicalRevision: "v1",
    workloadType: "DEPLOYMENT",
    workloadName: name,
    clusterId: "Kubernetes",
    locality: null,
    capacity: 1,
    ...over,
  };
}

/** A service `ns/<name>.ns.svc` with port 80 to 8080. */
export function service(name: string, over: Partial<Service> = {}): Service {
  const namespace = over.namespace ?? "ns";
  return {
    name,
    namespace,
    hostname: `${name}.${namespace}.svc`,
    addresses: [],
    ports: [{ servicePort: 80, targetPort: 8080 }],
    subjectAltNames: [],
    waypoint: null,
    weightedWaypoints: [],
    loadBalancing: null,
    ipFamilies: "AUTOMATIC",
    canonical: false,
    visibility: "PUBLIC",
    ...over,
  };
}

export const vip = (ip: string, network = ""): Service["addresses"][number] => ({ network, ip, length: null });
export const members = (...keys: readonly string[]): Workload["services"] =>
  new Map<string, readonly PortMapping[]>(keys.map((key) => [key, []]));
export const byHostname = (hostname: string, port = 15_008, namespace = "ns"): GatewayAddress => ({
  destination: { t: "hostname", namespace, hostname },
  hboneMtlsPort: port,
});
export const byAddress = (ip: string, port = 15_008, network = ""): GatewayAddress => ({
  destination: { t: "address", network, ip },
  hboneMtlsPort: port,
});

export function storeOf(workloads: readonly Workload[], services: readonly Service[] = []): WorkloadStore {
  const store = new WorkloadStore("node-1");
  store.apply({ workloads, services, removed: [] });
  return store;
}

const ips = ["10.0.0.1", "10.0.0.2", "2001:db8::1"] as const;
const serviceNames = ["s", "t"] as const;
const arbServices = fc
  .subarray([...serviceNames])
  .map((names) => new Map(names.map((n) => [`ns/${n}.ns.svc`, [{ servicePort: 80, targetPort: 9090 }] as const])));

/** Workloads and services from pools so small that they meet. */
export const arbWorkload: fc.Arbitrary<Workload> = fc
  .record({
    name: fc.constantFrom("a", "b", "c", "d"),
    addresses: fc.subarray([...ips]),
    tunnelProtocol: fc.constantFrom("NONE" as const, "HBONE" as const),
    node: fc.constantFrom("node-1", "node-2"),
    networkMode: fc.constantFrom("STANDARD" as const, "HOST_NETWORK" as const),
    status: fc.constantFrom("HEALTHY" as const, "UNHEALTHY" as const),
    services: arbServices,
    hostname: fc.constantFrom("", "x.example"),
    network: fc.constantFrom("", "other"),
  })
  .map(({ name, ...over }) => workload(name, over));

export const arbService: fc.Arbitrary<Service> = fc
  .record({
    name: fc.constantFrom(...serviceNames, "u"),
    namespace: fc.constantFrom("ns", "far"),
    addresses: fc.array(
      fc.oneof(
        fc.constantFrom(...ips).map((ip) => vip(ip)),
        fc.constant({ network: "", ip: "10.0.0.0", length: 24 }),
      ),
      { maxLength: 2 },
    ),
    healthy: fc.boolean(),
    canonical: fc.boolean(),
    visibility: fc.constantFrom("PUBLIC" as const, "NAMESPACE" as const),
  })
  .map(({ name, healthy, ...over }) =>
    service(name, {
      ...over,
      loadBalancing: healthy ? null : { routingPreference: [], mode: "UNSPECIFIED_MODE", healthPolicy: "ALLOW_ALL" },
    }),
  );

/** One batch: what arrives, and names of what goes. */
export const arbUpdate: fc.Arbitrary<AddressUpdate> = fc.record({
  workloads: fc.array(arbWorkload, { maxLength: 3 }),
  services: fc.array(arbService, { maxLength: 2 }),
  removed: fc.subarray(["Kubernetes//Pod/ns/a", "Kubernetes//Pod/ns/b", "ns/s.ns.svc", "far/t.far.svc", "nonsense"], {
    maxLength: 2,
  }),
});
