import { ipFromBytes, ipToBytes } from "@lateen/addresses";
import type { GatewayAddress, NetworkAddress, PortMapping, ServicePort } from "@lateen/workload-model";
import {
  type GatewayAddress as WireGatewayAddress,
  type NetworkAddress as WireNetworkAddress,
  type Port,
  createGatewayAddress,
  createNamespacedHostname,
  createNetworkAddress,
  createPort,
} from "./generated/workload.ts";
import type { Problems } from "./problems.ts";

const NOWHERE: GatewayAddress = { destination: { t: "hostname", namespace: "", hostname: "" }, hboneMtlsPort: 0 };

/** An address of 4 or 16 bytes as text; any other length is a problem. */
export function readIp(bytes: Uint8Array, path: string, problems: Problems): string {
  if (bytes.length === 4 || bytes.length === 16) return ipFromBytes(bytes);
  problems.add(path, `${bytes.length} bytes are not an IP address`);
  return "";
}

export function readNetworkAddress(wire: WireNetworkAddress, path: string, problems: Problems): NetworkAddress {
  const ip = readIp(wire.address, `${path}.address`, problems);
  const bits = wire.address.length * 8;
  const { network, length } = wire;
  if (length !== null && length > bits) problems.add(`${path}.length`, `${length} is more than ${bits}`);
  return { network, ip, length: length === null || length === bits ? null : length };
}

export function writeNetworkAddress(a: NetworkAddress): WireNetworkAddress {
  return createNetworkAddress({ network: a.network, address: ipToBytes(a.ip), length: a.length });
}

export function readGateway(wire: WireGatewayAddress, path: string, problems: Problems): GatewayAddress {
  const hboneMtlsPort = problems.port(`${path}.hboneMtlsPort`, wire.hboneMtlsPort);
  if (wire.hostname !== null) {
    const { namespace, hostname } = wire.hostname;
    return { destination: { t: "hostname", namespace, hostname }, hboneMtlsPort };
  }
  if (wire.address !== null) {
    const { network, ip } = readNetworkAddress(wire.address, `${path}.address`, problems);
    return { destination: { t: "address", network, ip }, hboneMtlsPort };
  }
  problems.add(path, "has no destination");
  return NOWHERE;
}

export function writeGateway(g: GatewayAddress): WireGatewayAddress {
  const { destination: d, hboneMtlsPort } = g;
  if (d.t === "hostname")
    return createGatewayAddress({
      hostname: createNamespacedHostname({ namespace: d.namespace, hostname: d.hostname }),
      hboneMtlsPort,
    });
  return createGatewayAddress({
    address: createNetworkAddress({ network: d.network, address: ipToBytes(d.ip) }),
    hboneMtlsPort,
  });
}

const APP_PROTOCOLS = [undefined, "HTTP11", "HTTP2", "GRPC", "TCP", "TLS"] as const;

/** As `readPorts`; a protocol that nobody knows here is as one that was not said. */
export function readServicePorts(wire: readonly Port[], path: string, problems: Problems): readonly ServicePort[] {
  const protocols = new Map(wire.map((p) => [p.servicePort, APP_PROTOCOLS[p.appProtocol]]));
  return readPorts(wire, path, problems).map((port) => {
    const appProtocol = protocols.get(port.servicePort);
    return appProtocol === undefined ? port : { ...port, appProtocol };
  });
}

/** One mapping per service port: the last one said. */
export function readPorts(wire: readonly Port[], path: string, problems: Problems): readonly PortMapping[] {
  const ports = new Map<number, number>();
  for (const [i, p] of wire.entries()) {
    const servicePort = problems.port(`${path}[${i}].servicePort`, p.servicePort);
    ports.set(servicePort, problems.port(`${path}[${i}].targetPort`, p.targetPort));
  }
  return [...ports].map(([servicePort, targetPort]) => ({ servicePort, targetPort }));
}

export function writePorts(ports: readonly ServicePort[]): Port[] {
  return ports.map((p) =>
    createPort({
      servicePort: p.servicePort,
      targetPort: p.targetPort,
      appProtocol: Math.max(0, APP_PROTOCOLS.indexOf(p.appProtocol)),
    }),
  );
}
