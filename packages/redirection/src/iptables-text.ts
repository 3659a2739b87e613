import { iptablesOps, type IptablesOp } from "./iptables-rules.ts";
import type { Family, Plan, Table } from "./plan.ts";

const RESTORE_ORDER: readonly Table[] = ["mangle", "nat", "raw"];
const PROGRAM: Readonly<Record<Family, string>> = { ipv4: "iptables", ipv6: "ip6tables" };

/** The operation as iptables is told it, without the table. */
export function opText(o: IptablesOp): string {
  switch (o.op) {
    case "new-chain":
      return `-N ${o.chain}`;
    case "append":
      return `-A ${o.chain} ${o.rule}`;
    case "insert":
      return `-I ${o.chain} ${o.position} ${o.rule}`;
  }
}

/**
 * Input of `iptables-restore --noflush` (IPv4) or `ip6tables-restore --noflush` (IPv6); empty when the plan leaves the family out.
 * It makes chains, so it must meet a namespace without them: see `iptablesState`.
 * @see the data-plane contract, section 2.3
 */
export function toIptablesRestore(plan: Plan, family: Family): string {
  if (!plan.families.includes(family)) return "";
  const ops = iptablesOps(plan, family);
  return RESTORE_ORDER.map((table) => ops.filter((o) => o.table === table))
    .filter((own) => own.length > 0)
    .map((own) => `* ${own[0]!.table}\n${own.map(opText).join("\n")}\nCOMMIT\n`)
    .join("");
}

/**
 * The plan as single commands, IPv4 first; how release 1.21 applied it.
 * @see the data-plane contract, section 2.4
 */
export function toIptablesCommands(plan: Plan): readonly string[] {
  return plan.families.flatMap((f) => iptablesOps(plan, f).map((o) => `${PROGRAM[f]} -t ${o.table} ${opText(o)}`));
}

/**
 * What is run before applying, to see what is there. Both families are looked at whatever the plan holds: rules may be left from
 * a time when it held both. Release 1.21 looked at nothing.
 */
export function iptablesProbes(plan: Plan): readonly string[] {
  return plan.form === "redirect" ? ["iptables-save", "ip6tables-save"] : [];
}
