import type { Hook, Plan, Table } from "./plan.ts";
import type { NftBase } from "./nft-ruleset.ts";

/** nf_tables' name for each of our tables. */
export const nftTableName = (table: Table): string => `istio-ambient-${table}`;
/** The chain that our rules of a hook stand in: on a node the base chain itself. */
export const nftChainName = (plan: Plan, hook: Hook): string => (plan.scope === "host" ? hook : `istio-${hook}`);

const TABLE_ORDER: readonly Table[] = ["nat", "mangle", "raw"];
const HOOK_ORDER: readonly Hook[] = ["prerouting", "output", "postrouting"];

/** Tables that the plan uses, in the order nft transactions write them. */
export function nftTables(plan: Plan): readonly Table[] {
  return TABLE_ORDER.filter((t) => plan.entries.some((e) => e.table === t));
}

/** Hooks that the plan uses in one table, in the order chains are made. */
export function nftHooks(plan: Plan, table: Table): readonly Hook[] {
  return HOOK_ORDER.filter((h) => plan.entries.some((e) => e.table === table && e.chain === h));
}

/** Numbers, never names: kernels refuse some names in some hooks. */
const PRIORITY: Readonly<Record<Table, number>> = { nat: -100, mangle: -150, raw: -300 };

/** Type, hook and priority of a base chain. Only `route` makes the kernel look up the route again when a mark changes on output. */
export function nftBase(table: Table, hook: Hook): NftBase {
  if (table === "nat") return { type: "nat", hook, priority: hook === "postrouting" ? 100 : PRIORITY.nat };
  return { type: table === "mangle" && hook === "output" ? "route" : "filter", hook, priority: PRIORITY[table] };
}
