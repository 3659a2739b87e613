import type { NftBase, NftChain, NftSet } from "@lateen/redirection";
import { decodeExpressions } from "./nft-expr-wire.ts";
import {
  CHAIN,
  DATA_VALUE,
  ELEMENT,
  ELEMENTS,
  FAMILY,
  HOOK,
  HOOK_NUMBER,
  type NftFamily,
  RULE,
  SET,
  SET_KEY,
  SUBSYS,
  UDATA_COMMENT,
  nfgen,
} from "./nft-numbers.ts";
import { Attributes, NLM_F_DUMP, NLM_F_REQUEST, type NetlinkMessage, NetlinkWriter } from "./wire.ts";

export type NftDump = "tables" | "chains" | "rules" | "sets";
const GET: Readonly<Record<NftDump, number>> = { tables: 1, chains: 4, rules: 7, sets: 10 };
const GET_ELEMENTS = 13;
const NEW = { table: 0, chain: 3, rule: 6, set: 9 } as const;

function dump(type: number, family: number, seq: number, fill: (w: NetlinkWriter) => void): Uint8Array {
  const w = new NetlinkWriter();
  w.begin(SUBSYS | type, NLM_F_REQUEST | NLM_F_DUMP, seq);
  w.raw(nfgen(family, 0));
  fill(w);
  w.end();
  return w.bytes();
}

/** Asks for all objects of a kind, of every family. */
export function encodeDump(what: NftDump, seq: number): Uint8Array {
  return dump(GET[what], 0, seq, () => undefined);
}

/** Asks for the elements of one set. */
export function encodeElementDump(family: NftFamily, table: string, set: string, seq: number): Uint8Array {
  return dump(GET_ELEMENTS, FAMILY[family], seq, (w) => {
    w.string(ELEMENTS.table, table);
    w.string(ELEMENTS.set, set);
  });
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
    case NEW.table:
      return { t: "table", family, name: table };
    case NEW.chain:
      return { t: "chain", family, table, name: a.string(CHAIN.name) ?? "", base: readBase(a) };
    case NEW.rule:
      return {
        t: "rule",
        family,
        table,
        chain: a.string(RULE.chain) ?? "",
        rule: decodeExpressions(a.nested(RULE.expressions)),
      };
    case NEW.set: {
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
