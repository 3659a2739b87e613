import { ipFamily, ipToBytes, parseCidr } from "@lateen/addresses";
import { Code, MeshError } from "@lateen/errors";
import { nftBase, nftChainName, nftHooks, nftTableName, nftTables } from "./nft-naming.ts";
import {
  type Endianness,
  type NftChain,
  type NftExpr,
  type NftRuleset,
  hex,
  hostU16,
  hostU32,
  interfaceName,
  netU16,
} from "./nft-ruleset.ts";
import type { Action, Family, Match, Plan, Protocol, Rule, Table } from "./plan.ts";

const PROTOCOL_NUMBER: Readonly<Record<Protocol, string>> = { tcp: "06", udp: "11" };
const NFPROTO: Readonly<Record<Family, string>> = { ipv4: "02", ipv6: "0a" };
/** Where each address lies in the network header. */
const ADDRESS_AT = {
  ipv4: { source: 12, destination: 16, length: 4 },
  ipv6: { source: 8, destination: 24, length: 16 },
} as const;
/** Bits of the conntrack state: established and related. */
const KNOWN_STATES = 0x6;

const cmp = (op: "eq" | "neq", data: string): NftExpr => ({ t: "cmp", op, reg: 1, data });
const sameOr = (not: boolean): "eq" | "neq" => (not ? "neq" : "eq");
const verdict = (code: "accept" | "return"): NftExpr => ({ t: "verdict", code, chain: "" });

/** Builds one rule; remembers what has been tested already, as nft does, so that nothing is tested twice. */
class RuleWriter {
  readonly out: NftExpr[] = [];
  private protocolKnown = false;
  private familyKnown = false;
  private readonly rule: Rule;
  private readonly order: Endianness;

  constructor(rule: Rule, order: Endianness) {
    this.rule = rule;
    this.order = order;
  }

  private family(): Family {
    if (this.rule.family === "any")
      throw new MeshError(Code.Bug, `Cannot render rule ${this.rule.id}: it names no address family`);
    return this.rule.family;
  }

  private needFamily(): Family {
    const family = this.family();
    if (!this.familyKnown) this.out.push({ t: "meta-load", key: "nfproto", reg: 1 }, cmp("eq", NFPROTO[family]));
    this.familyKnown = true;
    return family;
  }

  private needProtocol(p: Protocol): void {
    if (!this.protocolKnown) this.out.push({ t: "meta-load", key: "l4proto", reg: 1 }, cmp("eq", PROTOCOL_NUMBER[p]));
    this.protocolKnown = true;
  }

  private masked(mask: number, xor: number): NftExpr {
    return { t: "bitwise", reg: 1, mask: hostU32(mask, this.order), xor: hostU32(xor, this.order) };
  }

  private addressBytes(ip: string): Uint8Array {
    if (ipFamily(ip) !== this.family())
      throw new MeshError(
        Code.BadInput,
        `Cannot render rule ${this.rule.id}: "${ip}" is not an ${this.family()} address`,
      );
    return ipToBytes(ip);
  }

  private blockBytes(block: string): Uint8Array {
    const cidr = parseCidr(block);
    if (!cidr.ok) throw cidr.error;
    const at = ADDRESS_AT[this.family()];
    if (cidr.value.network.length !== at.length || cidr.value.length !== at.length * 8)
      throw new MeshError(
        Code.BadInput,
        `Cannot render rule ${this.rule.id}: "${block}" is not one ${this.family()} address`,
      );
    return cidr.value.network;
  }

  match(m: Match): void {
    switch (m.t) {
      case "interface":
        this.out.push(
          { t: "meta-load", key: m.way === "in" ? "iifname" : "oifname", reg: 1 },
          cmp(sameOr(m.not), interfaceName(m.name)),
        );
        return;
      case "protocol":
        return this.needProtocol(m.is);
      case "address": {
        const at = ADDRESS_AT[this.family()];
        const data = hex(this.blockBytes(m.block));
        this.needFamily();
        this.out.push(
          { t: "payload", base: "network", offset: at[m.side], length: at.length, reg: 1 },
          cmp(sameOr(m.not), data),
        );
        return;
      }
      case "port":
        this.needProtocol(m.protocol);
        this.out.push(
          { t: "payload", base: "transport", offset: m.side === "source" ? 0 : 2, length: 2, reg: 1 },
          cmp(sameOr(m.not), netU16(m.port)),
        );
        return;
      case "mark":
        this.out.push(
          m.of === "packet" ? { t: "meta-load", key: "mark", reg: 1 } : { t: "ct-load", key: "mark", reg: 1 },
          this.masked(m.mask, 0),
          cmp(sameOr(m.not), hostU32(m.value, this.order)),
        );
        return;
      case "known-connection":
        this.out.push(
          { t: "ct-load", key: "state", reg: 1 },
          this.masked(KNOWN_STATES, 0),
          cmp("neq", hostU32(0, this.order)),
        );
        return;
      case "local-socket":
        this.out.push({ t: "meta-load", key: "skuid", reg: 1 }, cmp("eq", hostU32(m.uid, this.order)));
        return;
      case "in-set": {
        const at = ADDRESS_AT[this.needFamily()];
        this.out.push(
          { t: "payload", base: "network", offset: at[m.side], length: at.length, reg: 1 },
          { t: "lookup", set: m.set, reg: 1 },
        );
        return;
      }
    }
  }

  action(a: Action): void {
    // A transparent rule belongs to one family even when no address says so.
    if (a.t === "tproxy" || a.t === "snat") this.needFamily();
    this.out.push({ t: "counter" });
    switch (a.t) {
      case "accept":
      case "return":
        this.out.push(verdict(a.t));
        return;
      case "redirect":
        this.out.push({ t: "immediate", reg: 1, data: netU16(a.port) }, { t: "redir", portReg: 1 });
        return;
      case "tproxy":
        this.out.push(
          { t: "immediate", reg: 1, data: netU16(a.port) },
          { t: "tproxy", family: this.family(), portReg: 1 },
          { t: "meta-load", key: "mark", reg: 1 },
          this.masked(~a.mask, a.mark),
          { t: "meta-set", key: "mark", reg: 1 },
          verdict("accept"),
        );
        return;
      case "set-connection-mark":
        this.out.push({ t: "ct-load", key: "mark", reg: 1 }, this.masked(~a.mask, a.value), {
          t: "ct-set",
          key: "mark",
          reg: 1,
        });
        return;
      case "restore-mark":
        this.out.push({ t: "ct-load", key: "mark", reg: 1 }, { t: "meta-set", key: "mark", reg: 1 });
        return;
      case "zone":
        this.out.push(
          { t: "immediate", reg: 1, data: hostU16(a.zone, this.order) },
          { t: "ct-set", key: "zone", reg: 1 },
        );
        return;
      case "snat":
        this.out.push(
          { t: "immediate", reg: 1, data: hex(this.addressBytes(a.to)) },
          { t: "nat", kind: "snat", family: this.family(), addressReg: 1, portReg: 0 },
        );
        return;
    }
  }
}

function expressions(rule: Rule, order: Endianness): readonly NftExpr[] {
  const writer = new RuleWriter(rule, order);
  for (const m of rule.match) writer.match(m);
  writer.action(rule.action);
  return writer.out;
}

function chains(plan: Plan, table: Table, order: Endianness): readonly NftChain[] {
  const hooks = nftHooks(plan, table);
  const rulesOf = (hook: string): NftChain["rules"] =>
    plan.rules.filter((r) => r.table === table && r.chain === hook).map((r) => expressions(r, order));
  if (plan.scope === "host") return hooks.map((h) => ({ name: h, base: nftBase(table, h), rules: rulesOf(h) }));
  const jump = (hook: (typeof hooks)[number]): readonly NftExpr[] => [
    { t: "verdict", code: "jump", chain: nftChainName(plan, hook) },
  ];
  return [
    ...hooks.map((h) => ({ name: h, base: nftBase(table, h), rules: [jump(h)] })),
    ...hooks.map((h) => ({ name: nftChainName(plan, h), base: null, rules: rulesOf(h) })),
  ];
}

/**
 * The plan as nf_tables objects, which `@lateen/linux` sends to the kernel in one atomic batch.
 * @param order byte order of the machine whose kernel gets it
 * @throws MeshError BAD_INPUT when an address does not belong to its rule's family
 * @see the data-plane contract, sections 2.5 and 1.11
 */
export function toNftRuleset(plan: Plan, order: Endianness = "LE"): NftRuleset {
  return {
    tables: nftTables(plan).map((table) => ({
      family: "inet",
      name: nftTableName(table),
      sets: plan.sets.map((s) => ({ name: s.name, type: s.family === "ipv4" ? "ipv4_addr" : "ipv6_addr" })),
      chains: chains(plan, table, order),
    })),
  };
}
