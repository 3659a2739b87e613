import type { Action, Family, Hook, Match, Protocol, Rule, Table, Wording } from "./plan.ts";

/** Small builders, so that a plan reads like the contract's table. */
export const iif = (name: string): Match => ({ t: "interface", way: "in", name, not: false });
export const oif = (name: string): Match => ({ t: "interface", way: "out", name, not: false });
export const notOif = (name: string): Match => ({ t: "interface", way: "out", name, not: true });
export const protocol = (is: Protocol): Match => ({ t: "protocol", is });
export const from = (block: string): Match => ({ t: "address", side: "source", block, not: false });
export const to = (block: string): Match => ({ t: "address", side: "destination", block, not: false });
export const notTo = (block: string): Match => ({ t: "address", side: "destination", block, not: true });
export const sourcePort = (p: Protocol, port: number): Match => ({
  t: "port",
  protocol: p,
  side: "source",
  port,
  not: false,
});
export const port = (p: Protocol, n: number): Match => ({
  t: "port",
  protocol: p,
  side: "destination",
  port: n,
  not: false,
});
export const notPort = (p: Protocol, n: number): Match => ({
  t: "port",
  protocol: p,
  side: "destination",
  port: n,
  not: true,
});

const mark = (of: "packet" | "connection", value: number, mask: number, not: boolean): Match => ({
  t: "mark",
  of,
  value,
  mask,
  not,
});
export const marked = (value: number, mask: number): Match => mark("packet", value, mask, false);
export const notMarked = (value: number, mask: number): Match => mark("packet", value, mask, true);
export const connectionMarked = (value: number, mask: number): Match => mark("connection", value, mask, false);

export interface Place {
  readonly id: string;
  readonly table: Table;
  readonly chain: Hook;
  readonly wording?: readonly Wording[];
}

const make = (place: Place, family: Family | "any", match: readonly Match[], action: Action): Rule => ({
  id: place.id,
  table: place.table,
  chain: place.chain,
  family,
  match,
  action,
  wording: place.wording ?? [],
});

/** One rule for both families. */
export function rule(place: Place, match: readonly Match[], action: Action): Rule[] {
  return [make(place, "any", match, action)];
}

/** The same rule once for each family, IPv4 first; `match` is told the family. */
export function perFamily(
  place: Place,
  families: readonly Family[],
  match: (family: Family) => readonly Match[],
  action: (family: Family) => Action,
): Rule[] {
  return families.map((family) => {
    // Only the IPv4 text was ever spelt with the gap.
    const wording = (place.wording ?? []).filter((w) => w !== "wide-gap" || family === "ipv4");
    return make({ ...place, wording }, family, match(family), action(family));
  });
}
