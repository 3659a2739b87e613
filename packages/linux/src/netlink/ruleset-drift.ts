import {
  type NftChain,
  type NftExpr,
  type NftRuleset,
  type NftSet,
  type NftTable,
  formatExpr,
} from "@lateen/redirection";

const quote = (rule: NftChain["rules"][number] | undefined): string =>
  rule === undefined ? "nothing" : rule.map(formatExpr).join(" ");

/** Expressions and sets are numbers and texts by name, in one order of names. */
function same(a: NftExpr | NftSet, b: NftExpr | NftSet): boolean {
  const [ours, theirs] = [Object.entries(a), Object.entries(b)];
  return ours.length === theirs.length && ours.every(([k, v], i) => theirs[i]![0] === k && theirs[i]![1] === v);
}

function sameRule(a: NftChain["rules"][number] | undefined, b: NftChain["rules"][number] | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a.length === b.length && a.every((e, i) => same(e, b[i]!));
}

function chainDrift(where: string, want: NftChain, have: NftChain | undefined): string[] {
  if (have === undefined) return [`${where}: chain is missing`];
  const out: string[] = [];
  const baseText = (c: NftChain): string =>
    c.base === null ? "no hook" : `type ${c.base.type} hook ${c.base.hook} priority ${c.base.priority}`;
  if (baseText(want) !== baseText(have)) out.push(`${where}: want ${baseText(want)}, have ${baseText(have)}`);
  for (let i = 0; i < Math.max(want.rules.length, have.rules.length); i++) {
    const [w, h] = [want.rules[i], have.rules[i]];
    if (!sameRule(w, h)) out.push(`${where} rule ${i + 1}: want ${quote(w)}, have ${quote(h)}`);
  }
  return out;
}

function tableDrift(want: NftTable, have: NftTable | undefined): string[] {
  const name = `${want.family} ${want.name}`;
  if (have === undefined) return [`${name}: table is missing`];
  const chains = want.chains.flatMap((c) =>
    chainDrift(
      `${name} ${c.name}`,
      c,
      have.chains.find((x) => x.name === c.name),
    ),
  );
  const extra = have.chains
    .filter((c) => !want.chains.some((x) => x.name === c.name))
    .map((c) => `${name} ${c.name}: chain is not ours to have`);
  const sets = want.sets
    .filter((s) => !have.sets.some((x) => same(x, s)))
    .map((s) => `${name} ${s.name}: set is missing`);
  return [...chains, ...extra, ...sets];
}

/**
 * Compares two rulesets as sentences for people. Order of rules counts; handles, counters and elements of sets do not.
 * @param have tables that nothing but us may own: one that `want` lacks is a difference
 */
export function rulesetDrift(want: NftRuleset, have: NftRuleset): readonly string[] {
  const find = (r: NftRuleset, t: NftTable): NftTable | undefined =>
    r.tables.find((x) => x.family === t.family && x.name === t.name);
  return [
    ...want.tables.flatMap((t) => tableDrift(t, find(have, t))),
    ...have.tables
      .filter((t) => find(want, t) === undefined)
      .map((t) => `${t.family} ${t.name}: table is not part of the plan`),
  ];
}
