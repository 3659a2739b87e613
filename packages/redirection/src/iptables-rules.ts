import type { Action, Entry, Family, Hook, Match, Plan, Rule, Table } from "./plan.ts";

/** iptables' name of our chain at a hook. */
export const iptablesChain: Readonly<Record<Hook, string>> = {
  prerouting: "ISTIO_PRERT",
  output: "ISTIO_OUTPUT",
  postrouting: "ISTIO_POSTRT",
};
const builtIn = (hook: Hook): string => hook.toUpperCase();

/** One iptables operation. `rule` is the text after the chain (and after the position of an insert). */
export type IptablesOp =
  | { readonly op: "new-chain"; readonly table: Table; readonly chain: string }
  | { readonly op: "append"; readonly table: Table; readonly chain: string; readonly rule: string }
  | {
      readonly op: "insert";
      readonly table: Table;
      readonly chain: string;
      readonly position: number;
      readonly rule: string;
    };

const hexNumber = (n: number): string => `0x${n.toString(16)}`;
const marks = (value: number, mask: number): string => `${hexNumber(value)}/${hexNumber(mask)}`;
const bang = (m: { readonly not: boolean }): string => (m.not ? "! " : "");

function matchText(m: Match, rule: Rule): string {
  switch (m.t) {
    case "interface":
      return `${bang(m)}-${m.way === "in" ? "i" : "o"} ${m.name}`;
    case "protocol":
      return `-p ${m.is}${rule.wording.includes("explicit-tcp") ? " -m tcp" : ""}`;
    case "address":
      return `${bang(m)}-${m.side === "source" ? "s" : "d"} ${m.block}`;
    case "port": {
      const named = m.protocol === "udp" || rule.wording.includes("explicit-tcp") ? `-m ${m.protocol} ` : "";
      return `${named}${bang(m)}--${m.side === "source" ? "s" : "d"}port ${m.port}`;
    }
    case "mark":
      return `-m ${m.of === "packet" ? "mark" : "connmark"} ${bang(m)}--mark ${marks(m.value, m.mask)}`;
    case "known-connection":
      return "-m conntrack --ctstate RELATED,ESTABLISHED";
    case "local-socket":
      return "-m owner --socket-exists";
    case "in-set":
      return `-m set --match-set ${m.set} dst`;
  }
}

/** iptables has an order of its own in which conditions are written: addresses, interfaces, protocol, TCP ports, marks, UDP ports. */
function rank(m: Match, rule: Rule): number {
  switch (m.t) {
    case "local-socket":
      return 0;
    case "address":
      return 1;
    case "interface":
      return rule.wording.includes("interface-last") ? 4 : 2;
    case "protocol":
      return 3;
    case "port":
      return m.protocol === "tcp" ? 4 : 6;
    case "mark":
      return 5;
    case "known-connection":
    case "in-set":
      return 7;
  }
}

/** A port match stands for its protocol too, which iptables wants to be named apart. */
function withProtocol(rule: Rule): readonly Match[] {
  const port = rule.match.find((m) => m.t === "port");
  if (port === undefined || rule.match.some((m) => m.t === "protocol")) return rule.match;
  return [{ t: "protocol", is: port.protocol }, ...rule.match];
}

function targetText(a: Action, rule: Rule): string {
  switch (a.t) {
    case "accept":
      return "ACCEPT";
    case "return":
      return "RETURN";
    case "redirect":
      return `REDIRECT --to-port${rule.match.some((m) => m.t === "port" && m.protocol === "udp") ? "" : "s"} ${a.port}`;
    case "tproxy":
      return `TPROXY --on-port ${a.port} --tproxy-mark ${marks(a.mark, a.mask)}`;
    case "set-connection-mark":
      return `CONNMARK --set-xmark ${marks(a.value, a.mask)}`;
    case "restore-mark":
      return "CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff";
    case "zone":
      return `CT --zone ${a.zone}`;
    case "snat":
      return `SNAT --to-source ${a.to}`;
  }
}

function ruleText(rule: Rule): string {
  const explicitPort = rule.match.some((m) => m.t === "port");
  const matches = withProtocol(rule)
    .map((m) => ({ m, at: rank(m, rule) }))
    .sort((x, y) => x.at - y.at)
    // `-m tcp` is said once: before the port when there is one.
    .map(({ m }) => (m.t === "protocol" && explicitPort ? `-p ${m.is}` : matchText(m, rule)));
  return [...matches, "-j", targetText(rule.action, rule)].join(" ");
}

function entryOp(e: Entry): IptablesOp {
  const rule = `-j ${iptablesChain[e.chain]}`;
  if (e.position === "last") return { op: "append", table: e.table, chain: builtIn(e.chain), rule };
  return { op: "insert", table: e.table, chain: builtIn(e.chain), position: 1, rule };
}

/**
 * The plan for one family as iptables operations: chains first (those with rules in the order of their first rule, then those
 * that are only jumped to), then jumps, then rules.
 */
export function iptablesOps(plan: Plan, family: Family): readonly IptablesOp[] {
  const rules = plan.rules.filter((r) => r.family === "any" || r.family === family);
  const chains = new Map([...rules, ...plan.entries].map((x) => [`${x.table} ${x.chain}`, x] as const));
  return [
    ...Array.from(chains.values(), (x): IptablesOp => ({
      op: "new-chain",
      table: x.table,
      chain: iptablesChain[x.chain],
    })),
    ...plan.entries.map(entryOp),
    ...rules.map((r): IptablesOp => ({
      op: "append",
      table: r.table,
      chain: iptablesChain[r.chain],
      rule: ruleText(r),
    })),
  ];
}
