import { iptablesOps } from "./iptables-rules.ts";
import type { Family, Plan, Table } from "./plan.ts";

/** What `iptables-save` showed of ours: rules of each `ISTIO_*` chain, and rules elsewhere that jump to one. */
export interface SavedState {
  /** Keyed `table chain`; how many rules the chain holds. */
  readonly chains: ReadonlyMap<string, number>;
  /** Jumps from other chains, as in the save output. */
  readonly jumps: readonly { readonly table: string; readonly line: string }[];
}

const OURS = "ISTIO_";

/** Reads `iptables-save` output. Lines that are not understood are skipped: other people's rules may look like anything. */
export function parseIptablesSave(text: string): SavedState {
  const chains = new Map<string, number>();
  const jumps: { table: string; line: string }[] = [];
  let table = "";
  for (const line of text.split("\n").map((l) => l.trim())) {
    if (line.startsWith("*")) table = line.slice(1).trim();
    const declared = /^:(\S+)/.exec(line)?.[1];
    if (declared?.startsWith(OURS)) chains.set(`${table} ${declared}`, chains.get(`${table} ${declared}`) ?? 0);
    const owner = /^(?:\[[0-9:]+\] )?(?:-A|--append) (\S+)/.exec(line)?.[1];
    if (owner === undefined) continue;
    if (owner.startsWith(OURS)) chains.set(`${table} ${owner}`, (chains.get(`${table} ${owner}`) ?? 0) + 1);
    else if (/ (?:-j|--jump|-g|--goto) ISTIO_\S+/.test(line)) jumps.push({ table, line });
  }
  return { chains, jumps };
}

export interface IptablesState {
  /** Something of ours is there. */
  readonly residue: boolean;
  /** What is there differs from the plan in chains or in the number of their rules. */
  readonly delta: boolean;
  /** Commands that must all succeed for there to be no delta; order of rules is not compared. */
  readonly checks: readonly string[];
}

/**
 * Compares what a save showed with the plan. A save that failed counts as empty text.
 * @see the data-plane contract, section 2.6
 */
export function iptablesState(plan: Plan, family: Family, save: string): IptablesState {
  const saved = parseIptablesSave(save);
  const ops = plan.families.includes(family) ? iptablesOps(plan, family) : [];
  const expected = new Map(ops.filter((o) => o.op === "new-chain").map((o) => [`${o.table} ${o.chain}`, 0]));
  for (const o of ops) {
    const key = `${o.table} ${o.chain}`;
    const count = expected.get(key);
    if (o.op !== "new-chain" && count !== undefined) expected.set(key, count + 1);
  }
  const missing = [...expected].some(([key, count]) => saved.chains.get(key) !== count);
  const foreign = [...saved.chains.keys()].some((key) => !expected.has(key));
  const program = family === "ipv4" ? "iptables" : "ip6tables";
  const checks = ops.flatMap((o) => (o.op === "new-chain" ? [] : [`${program} -t ${o.table} -C ${o.chain} ${o.rule}`]));
  return { residue: saved.chains.size > 0 || saved.jumps.length > 0, delta: missing || foreign, checks };
}

export type IptablesAction = "apply" | "nothing" | "apply-on-top" | "replace";

/**
 * What to do about a state. `apply-on-top` may duplicate rules and deserves a warning; `replace` goes under guardrails.
 * @see the data-plane contract, section 2.6
 */
export function iptablesAction(state: Pick<IptablesState, "residue" | "delta">, reconcile: boolean): IptablesAction {
  if (!state.delta) return "nothing";
  if (!state.residue) return "apply";
  return reconcile ? "replace" : "apply-on-top";
}

/** Drops everything while rules are being swapped, so that nothing passes unproxied. `-D` instead of `-I … 1` undoes each. */
export function guardrails(family: Family, verb: "insert" | "delete"): readonly string[] {
  const program = family === "ipv4" ? "iptables" : "ip6tables";
  return ["INPUT", "FORWARD", "OUTPUT"].flatMap((chain) =>
    ["tcp", "udp"].map((p) => {
      const where = verb === "insert" ? `-I ${chain} 1` : `-D ${chain}`;
      return `${program} -t filter ${where} -p ${p} -j DROP`;
    }),
  );
}

const POD_TABLES: readonly Table[] = ["mangle", "nat", "raw"];
const POD_ENTRIES: readonly (readonly [Table, string, string])[] = [
  ["mangle", "PREROUTING", "ISTIO_PRERT"],
  ["mangle", "OUTPUT", "ISTIO_OUTPUT"],
  ["nat", "OUTPUT", "ISTIO_OUTPUT"],
  ["nat", "PREROUTING", "ISTIO_PRERT"],
  ["raw", "PREROUTING", "ISTIO_PRERT"],
  ["raw", "OUTPUT", "ISTIO_OUTPUT"],
];

function removals(program: string, plan: Plan): string[] {
  const entries = plan.scope === "host" ? ([["nat", "POSTROUTING", "ISTIO_POSTRT"]] as const) : POD_ENTRIES;
  const tables = plan.scope === "host" ? (["nat"] as const) : POD_TABLES;
  const chains = plan.scope === "host" ? ["ISTIO_POSTRT"] : ["ISTIO_PRERT", "ISTIO_OUTPUT"];
  const each = (verb: string): string[] => tables.flatMap((t) => chains.map((c) => `${program} -t ${t} ${verb} ${c}`));
  return [...entries.map(([t, from, to]) => `${program} -t ${t} -D ${from} -j ${to}`), ...each("-F"), ...each("-X")];
}

/** Un-enrols: jumps, then what our chains hold, then the chains, whatever the options were. Failures of single ones are expected. */
export function iptablesRemoval(plan: Plan): readonly string[] {
  return plan.families.flatMap((f) => removals(f === "ipv4" ? "iptables" : "ip6tables", plan));
}

/** Deletes what a save showed of ours and the plan does not explain; for after `iptablesRemoval`. */
export function leftoverRemoval(family: Family, save: string): readonly string[] {
  const program = family === "ipv4" ? "iptables" : "ip6tables";
  const saved = parseIptablesSave(save);
  const chains = [...saved.chains.keys()].map((key) => key.split(" ") as [string, string]);
  return [
    ...saved.jumps.map(
      (j) => `${program} -t ${j.table} ${j.line.replace(/^(?:\[[0-9:]+\] )?(?:-A|--append) /, "-D ")}`,
    ),
    ...chains.map(([t, c]) => `${program} -t ${t} -F ${c}`),
    ...chains.map(([t, c]) => `${program} -t ${t} -X ${c}`),
  ];
}
