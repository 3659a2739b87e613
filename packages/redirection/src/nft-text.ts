import { nftBase, nftChainName, nftHooks, nftTableName, nftTables } from "./nft-naming.ts";
import type { Action, Family, Match, Plan, Rule, Table } from "./plan.ts";

const hexNumber = (n: number): string => `0x${(n >>> 0).toString(16)}`;
const not = (m: { readonly not: boolean }): string => (m.not ? "!= " : "");
const ip = (family: Rule["family"]): string => (family === "ipv6" ? "ip6" : "ip");

function markText(m: Match & { readonly t: "mark" }, rule: Rule): string {
  const subject = m.of === "connection" ? "ct mark" : rule.wording.includes("meta-mark") ? "meta mark" : "mark";
  const and = rule.wording.includes("ampersand") ? "&" : "and";
  const gap = rule.wording.includes("wide-gap") && m.not ? "  " : " ";
  return `${subject} ${and} ${hexNumber(m.mask)}${gap}${m.not ? "!=" : "=="} ${hexNumber(m.value)}`;
}

function matchText(m: Match, rule: Rule): string {
  switch (m.t) {
    case "interface":
      return `${m.way === "in" ? "iifname" : "oifname"} ${not(m)}${m.name}`;
    case "protocol":
      return `meta l4proto ${m.is}`;
    case "address":
      return `${ip(rule.family)} ${m.side === "source" ? "saddr" : "daddr"} ${not(m)}${m.block}`;
    case "port":
      return `${m.protocol} ${m.side === "source" ? "sport" : "dport"} ${not(m)}${m.port}`;
    case "mark":
      return markText(m, rule);
    case "known-connection":
      return "ct state established,related";
    case "local-socket":
      return `skuid ${m.uid}`;
    case "in-set":
      return `${ip(rule.family)} daddr @${m.set}`;
  }
}

const keep = (mask: number): string => hexNumber(~mask);

function actionText(a: Action, rule: Rule): string {
  const gap = rule.wording.includes("wide-gap") ? "  " : " ";
  switch (a.t) {
    case "accept":
    case "return":
      return a.t;
    case "redirect":
      return `redirect to :${a.port}`;
    case "tproxy":
      return `tproxy ${ip(rule.family)} to :${a.port} meta mark set meta mark & ${keep(a.mask)} | ${hexNumber(a.mark)} accept`;
    case "set-connection-mark":
      return `ct mark set ct mark & ${keep(a.mask)} |${gap}${hexNumber(a.value)}`;
    case "restore-mark":
      return "meta mark set ct mark";
    case "zone":
      return `ct zone set ${a.zone}`;
    case "snat":
      return `snat to ${a.to}`;
  }
}

function ruleText(rule: Rule): string {
  const matches = rule.match.map((m) => matchText(m, rule));
  const names = rule.match.some((m) => m.t === "address" || m.t === "in-set");
  // A rule of one family that names no address must say which family it is for.
  if (rule.family !== "any" && !names) matches.push(`meta nfproto ${rule.family satisfies Family}`);
  return [...matches, "counter", actionText(rule.action, rule)].join(" ");
}

function tableText(plan: Plan, table: Table): string[] {
  const t = `inet ${nftTableName(table)}`;
  const hooks = nftHooks(plan, table);
  const base = hooks.map((h) => {
    const b = nftBase(table, h);
    return `add chain ${t} ${h} { type ${b.type} hook ${b.hook} priority ${b.priority} ; }`;
  });
  const own = plan.scope === "host" ? [] : hooks.map((h) => `add chain ${t} ${nftChainName(plan, h)}`);
  const jumps =
    plan.scope === "host"
      ? []
      : plan.entries
          .filter((e) => e.table === table)
          .map((e) => `add rule ${t} ${e.chain} jump ${nftChainName(plan, e.chain)}`);
  const rules = plan.rules
    .filter((r) => r.table === table)
    .map((r) => `add rule ${t} ${nftChainName(plan, r.chain)} ${ruleText(r)}`);
  return [`add table ${t}`, `flush table ${t}`, ...base, ...own, ...jumps, ...rules];
}

/**
 * The plan as one nft transaction, an operation a line. Running it twice leaves the same rules. The sets of a node's plan are
 * not part of it (see `nftSetsText`), because a flush must not forget who is in them.
 * @see the data-plane contract, section 2.5
 */
export function toNftText(plan: Plan): string {
  return `${nftTables(plan)
    .flatMap((t) => tableText(plan, t))
    .join("\n")}\n`;
}

/** The sets that a node's rules look into; must exist before the rules. */
export function nftSetsText(plan: Plan): string {
  return nftTables(plan)
    .flatMap((table) => [
      `add table inet ${nftTableName(table)}`,
      ...plan.sets.map(
        (s) =>
          `add set inet ${nftTableName(table)} ${s.name} { type ${s.family === "ipv4" ? "ipv4_addr" : "ipv6_addr"} ; }`,
      ),
    ])
    .map((line) => `${line}\n`)
    .join("");
}

/**
 * Removes what `toNftText` made, whatever the options were then. A node's sets stay, with what is in them. Adding first makes a
 * missing table no error.
 */
export function nftRemovalText(plan: Plan): string {
  const tables: readonly Table[] = plan.scope === "host" ? ["nat"] : ["nat", "mangle", "raw"];
  const verb = plan.scope === "host" ? "flush" : "delete";
  return tables.map((t) => `add table inet ${nftTableName(t)}\n${verb} table inet ${nftTableName(t)}\n`).join("");
}
