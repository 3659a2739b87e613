import { type SocketAddress, ipFamily, ipToBytes } from "@lateen/addresses";
import { Code, MeshError } from "@lateen/errors";
import { type Endianness, type NftExpr, type NftRuleset, hex, hostU32, netU16 } from "./nft-ruleset.ts";
import type { Protocol } from "./plan.ts";

/** One port of a service and where it leads. */
export interface ServicePort {
  readonly protocol: Protocol;
  readonly vip: SocketAddress;
  /** Of the family of `vip`; none leaves the port without rules. */
  readonly endpoints: readonly SocketAddress[];
}

export const SERVICE_TABLE = "lateen-services";
const SERVICE_CHAIN = "services";
const MAX_RULES = 10_000;
const MAX_PORT = 65_535;
const ADDRESS = {
  ipv4: { offset: 16, length: 4, nfproto: "02" },
  ipv6: { offset: 24, length: 16, nfproto: "0a" },
} as const;
const L4 = { tcp: "06", udp: "11" } as const;

const same = (data: string): NftExpr => ({ t: "cmp", op: "eq", reg: 1, data });

function checkPort(at: SocketAddress): void {
  if (!Number.isInteger(at.port) || at.port < 1 || at.port > MAX_PORT)
    throw new MeshError(Code.BadInput, `Cannot plan service "${at.ip}": ${at.port} is not a port`);
}

function matchVip(s: ServicePort): NftExpr[] {
  const family = ADDRESS[ipFamily(s.vip.ip)];
  return [
    { t: "meta-load", key: "nfproto", reg: 1 },
    same(family.nfproto),
    { t: "payload", base: "network", offset: family.offset, length: family.length, reg: 1 },
    same(hex(ipToBytes(s.vip.ip))),
    { t: "meta-load", key: "l4proto", reg: 1 },
    same(L4[s.protocol]),
    { t: "payload", base: "transport", offset: 2, length: 2, reg: 1 },
    same(netU16(s.vip.port)),
  ];
}

/** The first of n endpoints is taken with chance 1/n, the next of the rest with 1/(n-1) and so on: all are equally likely. */
function chance(left: number, order: Endianness): NftExpr[] {
  return left <= 1 ? [] : [{ t: "numgen", kind: "random", modulus: left, reg: 1 }, same(hostU32(0, order))];
}

function portRules(s: ServicePort, order: Endianness): NftExpr[][] {
  const family = ipFamily(s.vip.ip);
  checkPort(s.vip);
  return s.endpoints.map((endpoint, i) => {
    checkPort(endpoint);
    if (ipFamily(endpoint.ip) !== family)
      throw new MeshError(
        Code.BadInput,
        `Cannot plan service "${s.vip.ip}": endpoint "${endpoint.ip}" is of another family`,
      );
    return [
      ...matchVip(s),
      ...chance(s.endpoints.length - i, order),
      { t: "counter" },
      { t: "immediate", reg: 1, data: hex(ipToBytes(endpoint.ip)) },
      { t: "immediate", reg: 2, data: netU16(endpoint.port) },
      { t: "nat", kind: "dnat", family, addressReg: 1, portReg: 2 },
    ];
  });
}

/**
 * Service addresses for pods that no proxy serves: each new connection to a service goes to one of its endpoints, for what a
 * node forwards and for what starts on it. Pure.
 * @throws MeshError BAD_INPUT for a port that is none, an endpoint of another family, or more than 10,000 rules
 */
export function serviceRuleset(services: readonly ServicePort[], order: Endianness = "LE"): NftRuleset {
  const rules = services.flatMap((s) => portRules(s, order));
  if (rules.length > MAX_RULES)
    throw new MeshError(Code.BadInput, `Cannot plan services: ${rules.length} endpoints, at most ${MAX_RULES}`);
  const base = (hook: "prerouting" | "output") => ({
    name: hook,
    base: { type: "nat", hook, priority: -100 } as const,
    rules: [[{ t: "verdict", code: "jump", chain: SERVICE_CHAIN } as const]],
  });
  const chains = [base("prerouting"), base("output"), { name: SERVICE_CHAIN, base: null, rules }];
  return { tables: [{ family: "inet", name: SERVICE_TABLE, sets: [], chains }] };
}
