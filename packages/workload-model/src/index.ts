export type {
  AddressUpdate,
  ApplicationTunnel,
  GatewayAddress,
  GatewayDestination,
  LoadBalancing,
  LoadBalancingScope,
  Locality,
  NetworkAddress,
  PortMapping,
  Service,
  WeightedWaypoint,
  Workload,
} from "./model.ts";
