import { ipToBytes } from "@lateen/addresses";
import type { PortMapping, Workload } from "@lateen/workload-model";
import { readGateway, readIp, readPorts, writeGateway, writePorts } from "./gateway-address.ts";
import { createUInt32Value } from "./generated/google-protobuf.ts";
import {
  type Workload as WireWorkload,
  createAddress,
  createApplicationTunnel,
  createLocality,
  createPortList,
  createWorkload,
  encodeAddress,
} from "./generated/workload.ts";
import { Problems } from "./problems.ts";
import type { Result } from "@lateen/errors";

const TUNNELS = ["NONE", "HBONE"] as const;
const TYPES = ["DEPLOYMENT", "CRONJOB", "POD", "JOB"] as const;
const STATUSES = ["HEALTHY", "UNHEALTHY"] as const;
const MODES = ["STANDARD", "HOST_NETWORK"] as const;
const APP_TUNNELS = ["NONE", "PROXY"] as const;

/** What the wire leaves out (dataplane 8.1). */
const DEFAULT_TRUST_DOMAIN = "cluster.local";
const DEFAULT_SERVICE_ACCOUNT = "default";
const DEFAULT_CLUSTER = "Kubernetes";

function readServices(wire: WireWorkload, problems: Problems): ReadonlyMap<string, readonly PortMapping[]> {
  const out = new Map<string, readonly PortMapping[]>();
  for (const [key, list] of wire.services) {
    const path = `services[${JSON.stringify(key)}]`;
    if (key.split("/").length !== 2) problems.add(path, "is not namespace/hostname");
    out.set(key, readPorts(list.ports, `${path}.ports`, problems));
  }
  return out;
}

function readTunnel(wire: WireWorkload["applicationTunnel"], problems: Problems): Workload["applicationTunnel"] {
  if (wire === null) return null;
  return {
    protocol: problems.enumName("applicationTunnel.protocol", APP_TUNNELS, wire.protocol),
    port: problems.port("applicationTunnel.port", wire.port),
  };
}

/** Checks a workload of the wire and gives it the model's form; everything wrong is reported at once, with its path. */
export function readWorkload(wire: WireWorkload): Result<Workload> {
  const problems = new Problems();
  if (wire.uid === "") problems.add("uid", "must not be empty");
  const { namespace, locality } = wire;
  return problems.result({
    uid: wire.uid,
    name: wire.name,
    namespace,
    addresses: wire.addresses.map((a, i) => readIp(a, `addresses[${i}]`, problems)),
    network: wire.network,
    hostname: wire.hostname,
    tunnelProtocol: problems.enumName("tunnelProtocol", TUNNELS, wire.tunnelProtocol),
    nativeTunnel: wire.nativeTunnel,
    identity: {
      trustDomain: wire.trustDomain || DEFAULT_TRUST_DOMAIN,
      namespace,
      serviceAccount: wire.serviceAccount || DEFAULT_SERVICE_ACCOUNT,
    },
    node: wire.node,
    networkMode: problems.enumName("networkMode", MODES, wire.networkMode),
    status: problems.enumName("status", STATUSES, wire.status),
    waypoint: wire.waypoint && readGateway(wire.waypoint, "waypoint", problems),
    networkGateway: wire.networkGateway && readGateway(wire.networkGateway, "networkGateway", problems),
    applicationTunnel: readTunnel(wire.applicationTunnel, problems),
    authorizationPolicies: wire.authorizationPolicies,
    services: readServices(wire, problems),
    canonicalName: wire.canonicalName,
    canonicalRevision: wire.canonicalRevision,
    workloadType: problems.enumName("workloadType", TYPES, wire.workloadType),
    workloadName: wire.workloadName,
    clusterId: wire.clusterId || DEFAULT_CLUSTER,
    locality: locality && { region: locality.region, zone: locality.zone, subzone: locality.subzone },
    capacity: wire.capacity === null ? 1 : wire.capacity.value,
  });
}

function toWire(w: Workload): WireWorkload {
  const { applicationTunnel: tunnel, identity } = w;
  return createWorkload({
    name: w.name,
    namespace: w.namespace,
    addresses: w.addresses.map(ipToBytes),
    network: w.network,
    tunnelProtocol: TUNNELS.indexOf(w.tunnelProtocol),
    trustDomain: identity.trustDomain === DEFAULT_TRUST_DOMAIN ? "" : identity.trustDomain,
    serviceAccount: identity.serviceAccount,
    waypoint: w.waypoint && writeGateway(w.waypoint),
    node: w.node,
    canonicalName: w.canonicalName,
    canonicalRevision: w.canonicalRevision,
    workloadType: TYPES.indexOf(w.workloadType),
    workloadName: w.workloadName,
    nativeTunnel: w.nativeTunnel,
    authorizationPolicies: [...w.authorizationPolicies],
    status: STATUSES.indexOf(w.status),
    clusterId: w.clusterId,
    networkGateway: w.networkGateway && writeGateway(w.networkGateway),
    uid: w.uid,
    hostname: w.hostname,
    services: new Map([...w.services].map(([key, ports]) => [key, createPortList({ ports: writePorts(ports) })])),
    applicationTunnel:
      tunnel && createApplicationTunnel({ protocol: APP_TUNNELS.indexOf(tunnel.protocol), port: tunnel.port }),
    locality: w.locality && createLocality(w.locality),
    networkMode: MODES.indexOf(w.networkMode),
    capacity: w.capacity === 1 ? null : createUInt32Value({ value: w.capacity }),
  });
}

/** The bytes of an `istio.workload.Address` that holds the workload; equal workloads give equal bytes. */
export function encodeWorkload(w: Workload): Uint8Array {
  return encodeAddress(createAddress({ workload: toWire(w) }));
}

const WORKLOAD_TAG = 0x0a;

/** The `istio.workload.Workload` that an Address holds, as a view of its bytes; null when it holds none. */
export function workloadInAddress(address: Uint8Array): Uint8Array | null {
  if (address[0] !== WORKLOAD_TAG) return null;
  let at = 1;
  while (at < address.length && address[at]! >= 0x80) at += 1;
  return address.subarray(at + 1);
}
