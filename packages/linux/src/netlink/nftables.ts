import type { NftChain, NftRuleset, NftSet, NftTable } from "@lateen/redirection";
import { NETLINK_NETFILTER, type NetlinkSocket, openNetlink, refusal } from "./netlink-socket.ts";
import { type NftChange, type NftElement, describeChange, encodeBatch, replaceChanges } from "./nft-changes.ts";
import { type NftListed, decodeElements, decodeListed, encodeDump, encodeElementDump } from "./nft-listing.ts";
import type { NftFamily } from "./nft-numbers.ts";

/** Chooses tables by name. */
export type TableFilter = (name: string) => boolean;

/** nf_tables of one network namespace. */
export class Nftables implements Disposable {
  private readonly socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.socket = socket;
  }

  /**
   * Sends changes as one batch: the kernel does all of them or none.
   * @throws MeshError UNAVAILABLE naming the change that failed, with the facts of `refusal`
   */
  change(changes: readonly NftChange[]): void {
    if (changes.length === 0) return;
    const first = this.socket.nextSeq(changes.length + 2);
    const error = this.socket.exchange("change nf_tables", encodeBatch(changes, first), first + changes.length)[0];
    if (error === undefined) return;
    const culprit = changes[error.seq - first - 1];
    throw refusal(culprit === undefined ? "commit nf_tables batch" : describeChange(culprit), error);
  }

  private list(what: "tables" | "chains" | "rules" | "sets"): NftListed[] {
    return this.socket.dump(`list nf_tables ${what}`, (seq) => encodeDump(what, seq), decodeListed);
  }

  /**
   * Makes the tables of a ruleset hold exactly its chains and rules, in one batch. Repeating it changes nothing but counters.
   * Elements of sets stay.
   * @param obsolete names of inet tables to remove in the same batch
   */
  replace(ruleset: NftRuleset, obsolete: readonly string[] = []): void {
    const present = this.list("chains").filter((l) => l.t === "chain");
    this.change([...replaceChanges(ruleset, present), ...removeTables(obsolete)]);
  }

  /** Removes inet tables with everything in them; missing ones are no error. */
  remove(tables: readonly string[]): void {
    this.change(removeTables(tables));
  }

  /** What the kernel holds now in the tables that the filter takes, of the families inet, ip and ip6. */
  read(filter: TableFilter): NftRuleset {
    const tables = this.list("tables").filter((l) => l.t === "table" && filter(l.name));
    if (tables.length === 0) return { tables: [] };
    const chains = this.list("chains");
    const rules = this.list("rules");
    const sets = this.list("sets");
    return { tables: tables.flatMap((t) => (t.t === "table" ? [assemble(t, chains, rules, sets)] : [])) };
  }

  addElement(e: NftElement): void {
    this.change([{ t: "add-element", ...e }]);
  }
  deleteElement(e: NftElement): void {
    this.change([{ t: "delete-element", ...e }]);
  }
  elements(family: NftFamily, table: string, set: string): { readonly key: Uint8Array; readonly comment: string }[] {
    return this.socket.dump(
      `list set ${family} ${table} ${set}`,
      (seq) => encodeElementDump(family, table, set, seq),
      (m) => decodeElements(m).map((e) => ({ key: e.key.slice(), comment: e.comment })),
    );
  }

  /** Closes the socket. Idempotent. */
  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}

/** Adding first makes a missing table no error. */
function removeTables(names: readonly string[]): NftChange[] {
  return names.flatMap((table): NftChange[] => [
    { t: "add-table", family: "inet", table },
    { t: "delete-table", family: "inet", table },
  ]);
}

function assemble(
  table: { readonly family: NftFamily; readonly name: string },
  chains: readonly NftListed[],
  rules: readonly NftListed[],
  sets: readonly NftListed[],
): NftTable {
  const mine = (l: NftListed): boolean => l.t !== "table" && l.family === table.family && l.table === table.name;
  const byChain = new Map<string, NftChain["rules"][number][]>();
  for (const r of rules) {
    if (r.t !== "rule" || !mine(r)) continue;
    const list = byChain.get(r.chain);
    if (list === undefined) byChain.set(r.chain, [r.rule]);
    else list.push(r.rule);
  }
  return {
    family: table.family,
    name: table.name,
    sets: sets.flatMap((s): NftSet[] => (s.t === "set" && mine(s) ? [s.set] : [])),
    chains: chains.flatMap((c): NftChain[] =>
      c.t === "chain" && mine(c) ? [{ name: c.name, base: c.base, rules: byChain.get(c.name) ?? [] }] : [],
    ),
  };
}

/**
 * Opens nf_tables of a namespace.
 * @param netns descriptor of the namespace, null for the calling thread's own
 * @throws MeshError UNAVAILABLE
 */
export function openNftables(netns: number | null): Nftables {
  return new Nftables(openNetlink(NETLINK_NETFILTER, netns));
}
