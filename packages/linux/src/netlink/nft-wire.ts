import type { NftBase, NftChain, NftExpr, NftRuleset, NftSet, NftTable } from "@lateen/redirection";
import { decodeExpressions, encodeExpressions } from "./nft-expr-wire.ts";
import {
  Attributes,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  type NetlinkMessage,
  NetlinkWriter,
} from "./wire.ts";

/** Numbers of include/uapi/linux/netfilter/nf_tables.h and nfnetlink.h. */
const SUBSYS = 10 << 8;
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
const MSG = {
  newTable: 0,
  getTable: 1,
  delTable: 2,
  newChain: 3,
  getChain: 4,
  delChain: 5,
  newRule: 6,
  getRule: 7,
  delRule: 8,
} as const;
const MSG_SET = { newSet: 9, getSet: 10, newElement: 12, getElement: 13, delElement: 14 } as const;
const TABLE_NAME = 1;
const CHAIN = { table: 1, name: 3, hook: 4, policy: 5, type: 7 } as const;
const HOOK = { number: 1, priority: 2 } as const;
const RULE = { table: 1, chain: 2, expressions: 4 } as const;
const SET = { table: 1, name: 2, keyType: 4, keyLength: 5, id: 10 } as const;
const ELEMENTS = { table: 1, set: 2, list: 3 } as const;
const ELEMENT = { key: 1, userdata: 6 } as const;
const DATA_VALUE = 1;
const POLICY_ACCEPT = 1;
/** nft's own numbering of data types, kept in the kernel for its listing. */
const SET_KEY = { ipv4_addr: { type: 7, length: 4 }, ipv6_addr: { type: 8, length: 16 } } as const;
/** Tag of a comment inside user data. */
const UDATA_COMMENT = 0;
const MAX_COMMENT = 128;

const FAMILY = { inet: 1, ip: 2, ip6: 10 } as const;
const HOOK_NUMBER: Readonly<Record<NftBase["hook"], number>> = {
  prerouting: 0,
  input: 1,
  forward: 2,
  output: 3,
  postrouting: 4,
};

export type NftFamily = NftTable["family"];

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

const nfgen = (family: number, resource: number): number[] => [family, 0, resource >> 8, resource & 0xff];

function begin(w: NetlinkWriter, type: number, flags: number, seq: number, family: number): void {
  w.begin(SUBSYS | type, NLM_F_REQUEST | flags, seq);
  w.raw(nfgen(family, 0));
}

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

function putChange(w: NetlinkWriter, c: NftChange, seq: number, ack: number): void {
  const family = FAMILY[c.family];
  switch (c.t) {
    case "add-table":
    case "delete-table":
      begin(
        w,
        c.t === "add-table" ? MSG.newTable : MSG.delTable,
        ack | (c.t === "add-table" ? NLM_F_CREATE : 0),
        seq,
        family,
      );
      w.string(TABLE_NAME, c.table);
      break;
    case "add-chain":
      begin(w, MSG.newChain, ack | NLM_F_CREATE, seq, family);
      putChain(w, c);
      break;
    case "delete-chain":
      begin(w, MSG.delChain, ack, seq, family);
      w.string(CHAIN.table, c.table);
      w.string(CHAIN.name, c.chain);
      break;
    case "add-rule":
      begin(w, MSG.newRule, ack | NLM_F_CREATE | NLM_F_APPEND, seq, family);
      w.string(RULE.table, c.table);
      w.string(RULE.chain, c.chain);
      encodeExpressions(w, RULE.expressions, c.expressions);
      break;
    case "flush":
      begin(w, MSG.delRule, ack, seq, family);
      w.string(RULE.table, c.table);
      if (c.chain !== "") w.string(RULE.chain, c.chain);
      break;
    case "add-set":
      begin(w, MSG_SET.newSet, ack | NLM_F_CREATE, seq, family);
      w.string(SET.table, c.table);
      w.string(SET.name, c.set.name);
      w.be32(SET.keyType, SET_KEY[c.set.type].type);
      w.be32(SET.keyLength, SET_KEY[c.set.type].length);
      w.be32(SET.id, seq);
      break;
    case "add-element":
    case "delete-element":
      begin(
        w,
        c.t === "add-element" ? MSG_SET.newElement : MSG_SET.delElement,
        ack | (c.t === "add-element" ? NLM_F_CREATE : 0),
        seq,
        family,
      );
      putElement(w, c);
      break;
  }
  w.end();
}

/**
 * One batch: the kernel applies all of it or none, and acknowledges the last change, or names each that failed. The n-th change has sequence number `firstSeq + 1 + n`.
 * @returns bytes to send in one datagram
 */
export function encodeBatch(changes: readonly NftChange[], firstSeq: number): Uint8Array {
  const w = new NetlinkWriter();
  w.begin(BATCH_BEGIN, NLM_F_REQUEST, firstSeq);
  w.raw(nfgen(0, 10));
  w.end();
  changes.forEach((c, i) => putChange(w, c, firstSeq + 1 + i, i === changes.length - 1 ? NLM_F_ACK : 0));
  w.begin(BATCH_END, NLM_F_REQUEST, firstSeq + 1 + changes.length);
  w.raw(nfgen(0, 10));
  w.end();
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

export type NftDump = "tables" | "chains" | "rules" | "sets";
const DUMP: Readonly<Record<NftDump, number>> = {
  tables: MSG.getTable,
  chains: MSG.getChain,
  rules: MSG.getRule,
  sets: MSG_SET.getSet,
};

/** Asks for all objects of a kind, of every family, or of one table. */
export function encodeDump(
  what: NftDump,
  seq: number,
  table: { readonly family: NftFamily; readonly name: string } | null,
): Uint8Array {
  const w = new NetlinkWriter();
  begin(w, DUMP[what], NLM_F_DUMP, seq, table === null ? 0 : FAMILY[table.family]);
  // The kernel filters rules and sets by table, which the attribute of number 1 names in every one of these messages.
  if (table !== null && (what === "rules" || what === "sets")) w.string(RULE.table, table.name);
  w.end();
  return w.bytes();
}

/** Asks for the elements of one set. */
export function encodeElementDump(family: NftFamily, table: string, set: string, seq: number): Uint8Array {
  const w = new NetlinkWriter();
  begin(w, MSG_SET.getElement, NLM_F_DUMP, seq, FAMILY[family]);
  w.string(ELEMENTS.table, table);
  w.string(ELEMENTS.set, set);
  w.end();
  return w.bytes();
}

/** Something the kernel listed. */
export type NftListed =
  | { readonly t: "table"; readonly family: NftFamily; readonly name: string }
  | {
      readonly t: "chain";
      readonly family: NftFamily;
      readonly table: string;
      readonly name: string;
      readonly base: NftBase | null;
    }
  | {
      readonly t: "rule";
      readonly family: NftFamily;
      readonly table: string;
      readonly chain: string;
      readonly rule: NftChain["rules"][number];
    }
  | { readonly t: "set"; readonly family: NftFamily; readonly table: string; readonly set: NftSet };

function nameOf<K extends string>(table: Readonly<Record<K, number>>, n: number | null | undefined): K | null {
  for (const key in table) if (table[key] === n) return key;
  return null;
}

function readBase(a: Attributes): NftBase | null {
  const hook = a.nested(CHAIN.hook);
  const name = nameOf(HOOK_NUMBER, hook.be32(HOOK.number));
  const type = a.string(CHAIN.type);
  if (name === null || (type !== "filter" && type !== "nat" && type !== "route")) return null;
  return { type, hook: name, priority: (hook.be32(HOOK.priority) ?? 0) | 0 };
}

function readSet(a: Attributes): NftSet | null {
  const type = a.be32(SET.keyType);
  const name = a.string(SET.name) ?? "";
  if (type === SET_KEY.ipv4_addr.type) return { name, type: "ipv4_addr" };
  return type === SET_KEY.ipv6_addr.type ? { name, type: "ipv6_addr" } : null;
}

/** Reads one message of a dump; null for what is not of a kind or family that we use. */
export function decodeListed(m: NetlinkMessage): NftListed | null {
  const family = nameOf(FAMILY, m.body[0]);
  if (family === null || (m.type & 0xff00) !== SUBSYS) return null;
  const a = new Attributes(m.body.subarray(4));
  const table = a.string(1) ?? "";
  switch (m.type & 0xff) {
    case MSG.newTable:
      return { t: "table", family, name: table };
    case MSG.newChain:
      return { t: "chain", family, table, name: a.string(CHAIN.name) ?? "", base: readBase(a) };
    case MSG.newRule:
      return {
        t: "rule",
        family,
        table,
        chain: a.string(RULE.chain) ?? "",
        rule: decodeExpressions(a.nested(RULE.expressions)),
      };
    case MSG_SET.newSet: {
      const set = readSet(a);
      return set === null ? null : { t: "set", family, table, set };
    }
    default:
      return null;
  }
}

/** Reads the elements of one message of an element dump. */
export function decodeElements(m: NetlinkMessage): readonly { readonly key: Uint8Array; readonly comment: string }[] {
  const list = new Attributes(m.body.subarray(4)).nested(ELEMENTS.list);
  return list.list.map(({ data }) => {
    const a = new Attributes(data);
    const udata = a.bytes(ELEMENT.userdata);
    const text =
      udata !== null && udata[0] === UDATA_COMMENT ? udata.subarray(2, 1 + (udata[1] ?? 1)) : new Uint8Array(0);
    return {
      key: a.nested(ELEMENT.key).bytes(DATA_VALUE) ?? new Uint8Array(0),
      comment: new TextDecoder().decode(text),
    };
  });
}
