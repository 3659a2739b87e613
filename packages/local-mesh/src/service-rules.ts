import { ipFamily, ipToBytes } from "@lateen/addresses";
import { type NftExpr, type NftRuleset, hex, netU16 } from "@lateen/redirection";
import type { ServicePlan, ServicePort } from "./cluster-ips.ts";
import { type ServingPod, endpointsOf } from "./service-endpoints.ts";

/** The table of a node's namespace that sends Services' addresses to pods. */
export const SERVICE_TABLE = "lateen-services";

const PROTOCOL: Readonly<Record<string, string>> = { TCP: "06", UDP: "11" };
const FAMILY = {
  ipv4: { nfproto: "02", offset: 16, length: 4 },
  ipv6: { nfproto: "0a", offset: 24, length: 16 },
} as const;
const DESTINATION_NAT = -100;

/**
 * What kube-proxy would have programmed on a node: a packet of a pod to a Service's address goes to one of its ready pods, by
 * chance. For pods that no ztunnel serves; captured ones never send such a packet, but for UDP.
 */
export function serviceRules(services: readonly ServicePlan[], pods: readonly ServingPod[]): NftRuleset {
  const rules = services.flatMap((s) =>
    s.ports.flatMap((p) => s.clusterIps.flatMap((ip) => portRules(s, p, ip, pods))),
  );
  const base = { type: "nat", hook: "prerouting", priority: DESTINATION_NAT } as const;
  return { tables: [{ family: "inet", name: SERVICE_TABLE, sets: [], chains: [{ name: "prerouting", base, rules }] }] };
}

function portRules(
  service: ServicePlan,
  port: ServicePort,
  ip: string,
  pods: readonly ServingPod[],
): readonly (readonly NftExpr[])[] {
  const protocol = PROTOCOL[port.protocol];
  if (protocol === undefined) return [];
  const family = ipFamily(ip);
  const targets = endpointsOf(service, port, pods).flatMap((e) => {
    const address = e.pod.ips.find((x) => ipFamily(x) === family);
    return address === undefined ? [] : [{ address, port: e.port }];
  });
  // Of n that are left, the first is taken with chance 1/n: each gets its fair share, and the last one what remains.
  return targets.map((target, i) => [
    ...matchDestination(family, ip, protocol, port.port),
    ...chance(targets.length - i),
    { t: "counter" },
    { t: "immediate", reg: 1, data: hex(ipToBytes(target.address)) },
    { t: "immediate", reg: 2, data: netU16(target.port) },
    { t: "nat", kind: "dnat", family, addressReg: 1, portReg: 2 },
  ]);
}

function matchDestination(family: "ipv4" | "ipv6", ip: string, protocol: string, port: number): readonly NftExpr[] {
  const { nfproto, offset, length } = FAMILY[family];
  const equals = (data: string): NftExpr => ({ t: "cmp", op: "eq", reg: 1, data });
  return [
    { t: "meta-load", key: "nfproto", reg: 1 },
    equals(nfproto),
    { t: "payload", base: "network", offset, length, reg: 1 },
    equals(hex(ipToBytes(ip))),
    { t: "meta-load", key: "l4proto", reg: 1 },
    equals(protocol),
    { t: "payload", base: "transport", offset: 2, length: 2, reg: 1 },
    equals(netU16(port)),
  ];
}

function chance(outOf: number): readonly NftExpr[] {
  if (outOf <= 1) return [];
  return [
    { t: "numgen", kind: "random", modulus: outOf, reg: 1 },
    { t: "cmp", op: "eq", reg: 1, data: "00000000" },
  ];
}
