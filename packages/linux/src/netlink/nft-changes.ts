import type { NftBase, NftExpr, NftRuleset, NftSet } from "@lateen/redirection";
import { encodeExpressions } from "./nft-expr-wire.ts";
import {
  CHAIN,
  DATA_VALUE,
  ELEMENT,
  ELEMENTS,
  FAMILY,
  HOOK,
  HOOK_NUMBER,
  NF_TABLES,
  type NftFamily,
  RULE,
  SET,
  SET_KEY,
  SUBSYS,
  UDATA_COMMENT,
  nfgen,
} from "./nft-numbers.ts";
import { NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST, NetlinkWriter } from "./wire.ts";

/** A pod's plan fits. */
const BATCH_ROOM = 16_384;
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
const TABLE_NAME = 1;
const POLICY_ACCEPT = 1;
const MAX_COMMENT = 128;

/** One change in a batch. */
export type NftChange =
  | { readonly t: "add-table"; readonly family: NftFamily; readonly table: string }
  | { readonly t: "delete-table"; readonly family: NftFamily; readonly table: string }
  | {
      readonly t: "add-chain";
      readonly family: NftFamily;
      readonly table: string;
      readonly chain: string;
      readonly base: NftBase | null;
    }
  | { readonly t: "delete-chain"; readonly family: NftFamily; readonly table: string; readonly chain: string }
  | {
      readonly t: "add-rule";
      readonly family: NftFamily;
      readonly table: string;
      readonly chain: string;
      readonly expressions: readonly NftExpr[];
    }
  /** Rules of one chain, or of all the table's chains when `chain` is empty. */
  | { readonly t: "flush"; readonly family: NftFamily; readonly table: string; readonly chain: string }
  | { readonly t: "add-set"; readonly family: NftFamily; readonly table: string; readonly set: NftSet }
  | ({ readonly t: "add-element" | "delete-element" } & NftElement);

export interface NftElement {
  readonly family: NftFamily;
  readonly table: string;
  readonly set: string;
  readonly key: Uint8Array;
  /** Kept with the element; at most 127 bytes. */
  readonly comment: string;
}

/** Says which change of a batch an error belongs to. */
export function describeChange(c: NftChange): string {
  const where = `${c.family} ${c.table}`;
  switch (c.t) {
    case "add-table":
    case "delete-table":
      return `${c.t.replace("-", " ")} ${where}`;
    case "add-chain":
    case "delete-chain":
    case "add-rule":
    case "flush":
      return `${c.t.replace("-", " ")} ${where} ${c.chain}`.trimEnd();
    case "add-set":
      return `add set ${where} ${c.set.name}`;
    case "add-element":
    case "delete-element":
      return `${c.t.replace("-", " ")} of ${where} ${c.set}`;
  }
}

/** Message type and flags of each change. */
const HEAD: Readonly<Record<NftChange["t"], readonly [type: number, flags: number]>> = {
  "add-table": [0, NLM_F_CREATE],
  "delete-table": [2, 0],
  "add-chain": [3, NLM_F_CREATE],
  "delete-chain": [5, 0],
  "add-rule": [6, NLM_F_CREATE | NLM_F_APPEND],
  flush: [8, 0],
  "add-set": [9, NLM_F_CREATE],
  "add-element": [12, NLM_F_CREATE],
  "delete-element": [14, 0],
};

function putChain(w: NetlinkWriter, c: NftChange & { readonly t: "add-chain" }): void {
  w.string(CHAIN.table, c.table);
  w.string(CHAIN.name, c.chain);
  if (c.base === null) return;
  w.nest(CHAIN.hook);
  w.be32(HOOK.number, HOOK_NUMBER[c.base.hook]);
  w.be32(HOOK.priority, c.base.priority);
  w.endNest();
  w.be32(CHAIN.policy, POLICY_ACCEPT);
  w.string(CHAIN.type, c.base.type);
}

function putElement(w: NetlinkWriter, e: NftElement): void {
  w.string(ELEMENTS.table, e.table);
  w.string(ELEMENTS.set, e.set);
  w.nest(ELEMENTS.list);
  w.nest(1);
  w.nest(ELEMENT.key);
  w.attr(DATA_VALUE, e.key);
  w.endNest();
  const text = new TextEncoder().encode(e.comment).subarray(0, MAX_COMMENT - 1);
  if (text.length > 0) w.attr(ELEMENT.userdata, [UDATA_COMMENT, text.length + 1, ...text, 0]);
  w.endNest();
  w.endNest();
}

function putSet(w: NetlinkWriter, c: NftChange & { readonly t: "add-set" }, id: number): void {
  w.string(SET.table, c.table);
  w.string(SET.name, c.set.name);
  w.be32(SET.keyType, SET_KEY[c.set.type].type);
  w.be32(SET.keyLength, SET_KEY[c.set.type].length);
  w.be32(SET.id, id);
}

function putBody(w: NetlinkWriter, c: NftChange, seq: number): void {
  switch (c.t) {
    case "add-table":
    case "delete-table":
      return w.string(TABLE_NAME, c.table);
    case "add-chain":
      return putChain(w, c);
    case "delete-chain":
      w.string(CHAIN.table, c.table);
      return w.string(CHAIN.name, c.chain);
    case "add-rule":
      w.string(RULE.table, c.table);
      w.string(RULE.chain, c.chain);
      return encodeExpressions(w, RULE.expressions, c.expressions);
    case "flush":
      w.string(RULE.table, c.table);
      if (c.chain !== "") w.string(RULE.chain, c.chain);
      return;
    case "add-set":
      return putSet(w, c, seq);
    case "add-element":
    case "delete-element":
      return putElement(w, c);
  }
}

function putEdge(w: NetlinkWriter, type: number, seq: number): void {
  w.begin(type, NLM_F_REQUEST, seq);
  w.raw(nfgen(0, NF_TABLES));
  w.end();
}

/**
 * One batch: the kernel applies all of it or none, and acknowledges the last change, or names each that failed.
 * @param firstSeq the n-th change, counted from 0, has sequence number `firstSeq + 1 + n`
 * @returns bytes to send in one datagram
 */
export function encodeBatch(changes: readonly NftChange[], firstSeq: number): Uint8Array {
  const w = new NetlinkWriter(BATCH_ROOM);
  putEdge(w, BATCH_BEGIN, firstSeq);
  for (const [i, c] of changes.entries()) {
    const [type, flags] = HEAD[c.t];
    const seq = firstSeq + 1 + i;
    w.begin(SUBSYS | type, NLM_F_REQUEST | flags | (i === changes.length - 1 ? NLM_F_ACK : 0), seq);
    w.raw(nfgen(FAMILY[c.family], 0));
    putBody(w, c, seq);
    w.end();
  }
  putEdge(w, BATCH_END, firstSeq + 1 + changes.length);
  return w.bytes();
}

/** A chain that the kernel holds. */
export interface NftPresentChain {
  readonly family: NftFamily;
  readonly table: string;
  readonly name: string;
  readonly base: NftBase | null;
}

const sameBase = (a: NftBase | null, b: NftBase | null): boolean =>
  a === null || b === null ? a === b : a.type === b.type && a.hook === b.hook && a.priority === b.priority;

/**
 * The changes that make the kernel hold exactly this ruleset in its tables, whatever they held before. A chain of another shape is
 * made anew; sets and their elements are kept.
 * @param present chains that are there now, of any table
 */
export function replaceChanges(ruleset: NftRuleset, present: readonly NftPresentChain[]): NftChange[] {
  return ruleset.tables.flatMap((t): NftChange[] => {
    const at = { family: t.family, table: t.name };
    const wrong = present
      .filter((p) => p.family === t.family && p.table === t.name)
      .filter((p) => !t.chains.some((c) => c.name === p.name && sameBase(c.base, p.base)));
    return [
      { t: "add-table", ...at },
      { t: "flush", ...at, chain: "" },
      ...wrong.map((p): NftChange => ({ t: "delete-chain", ...at, chain: p.name })),
      ...t.sets.map((set): NftChange => ({ t: "add-set", ...at, set })),
      ...t.chains.map((c): NftChange => ({ t: "add-chain", ...at, chain: c.name, base: c.base })),
      ...t.chains.flatMap((c) =>
        c.rules.map((expressions): NftChange => ({ t: "add-rule", ...at, chain: c.name, expressions })),
      ),
    ];
  });
}
