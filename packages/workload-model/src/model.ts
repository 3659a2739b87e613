import type { SpiffeIdentity } from "@lateen/identity";

/** The decoded forms of `istio.workload.Address` (dataplane 8.1). IPs are canonical text. */
export interface NetworkAddress {
  readonly network: string;
  readonly ip: string;
  /** Prefix length when this is a block rather than one address, else null. */
  readonly length: number | null;
}

export type GatewayDestination =
  | { readonly t: "hostname"; readonly namespace: string; readonly hostname: string }
  | { readonly t: "address"; readonly network: string; readonly ip: string };

export interface GatewayAddress {
  readonly destination: GatewayDestination;
  readonly hboneMtlsPort: number;
}

export interface PortMapping {
  readonly servicePort: number;
  /** 0: named; the endpoint's own mapping decides. */
  readonly targetPort: number;
}

/** What is spoken on a port, where it is known. Node proxies do not heed it; waypoints do. */
export type AppProtocol = "HTTP11" | "HTTP2" | "GRPC" | "TCP" | "TLS";

export interface ServicePort extends PortMapping {
  /** Absent: nobody said. */
  readonly appProtocol?: AppProtocol;
}

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

export interface ApplicationTunnel {
  readonly protocol: "NONE" | "PROXY";
  /** 0: unchanged. */
  readonly port: number;
}

export interface Workload {
  /** Primary key (dataplane 8.2). */
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly addresses: readonly string[];
  readonly network: string;
  readonly hostname: string;
  readonly tunnelProtocol: "NONE" | "HBONE";
  readonly nativeTunnel: boolean;
  readonly identity: SpiffeIdentity;
  readonly node: string;
  readonly networkMode: "STANDARD" | "HOST_NETWORK";
  readonly status: "HEALTHY" | "UNHEALTHY";
  readonly waypoint: GatewayAddress | null;
  readonly networkGateway: GatewayAddress | null;
  readonly applicationTunnel: ApplicationTunnel | null;
  /** Keys `namespace/name` of WorkloadSelector policies. */
  readonly authorizationPolicies: readonly string[];
  /** Service key `namespace/hostname` to its ports. */
  readonly services: ReadonlyMap<string, readonly PortMapping[]>;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly workloadType: "DEPLOYMENT" | "CRONJOB" | "POD" | "JOB";
  readonly workloadName: string;
  readonly clusterId: string;
  readonly locality: Locality | null;
  /** Load-balancing weight. */
  readonly capacity: number;
}

export type LoadBalancingScope = "REGION" | "ZONE" | "SUBZONE" | "NODE" | "CLUSTER" | "NETWORK";

export interface LoadBalancing {
  readonly routingPreference: readonly LoadBalancingScope[];
  readonly mode: "UNSPECIFIED_MODE" | "STRICT" | "FAILOVER" | "PASSTHROUGH";
  readonly healthPolicy: "ONLY_HEALTHY" | "ALLOW_ALL";
}

export interface WeightedWaypoint {
  readonly destination: GatewayAddress;
  readonly weight: number;
}

export interface Service {
  readonly name: string;
  readonly namespace: string;
  readonly hostname: string;
  readonly addresses: readonly NetworkAddress[];
  readonly ports: readonly ServicePort[];
  /** SPIFFE URIs accepted from endpoints. */
  readonly subjectAltNames: readonly string[];
  readonly waypoint: GatewayAddress | null;
  readonly weightedWaypoints: readonly WeightedWaypoint[];
  readonly loadBalancing: LoadBalancing | null;
  readonly ipFamilies: "AUTOMATIC" | "IPV4_ONLY" | "IPV6_ONLY" | "DUAL";
  readonly canonical: boolean;
  readonly visibility: "PUBLIC" | "NAMESPACE";
  /** Whether ingress gateways send through the waypoint; absent: no. */
  readonly ingressUseWaypoint?: boolean;
}

/** One batch of the Address type, applied in one step. `removed` holds workload uids and service keys `namespace/hostname`. */
export interface AddressUpdate {
  readonly workloads: readonly Workload[];
  readonly services: readonly Service[];
  readonly removed: readonly string[];
}
