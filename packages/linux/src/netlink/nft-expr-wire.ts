import type { CtKey, MetaKey, NftExpr, VerdictCode } from "@lateen/redirection";
import { Attributes, type NetlinkWriter } from "./wire.ts";

/** Numbers of include/uapi/linux/netfilter/nf_tables.h. */
const EXPR = { name: 1, data: 2 } as const;
const LIST_ELEM = 1;
const DATA = { value: 1, verdict: 2 } as const;
const VERDICT = { code: 1, chain: 2 } as const;
const META = { dreg: 1, key: 2, sreg: 3 } as const;
const CT = { dreg: 1, key: 2, sreg: 4 } as const;
const PAYLOAD = { dreg: 1, base: 2, offset: 3, length: 4 } as const;
const CMP = { sreg: 1, op: 2, data: 3 } as const;
const BITWISE = { sreg: 1, dreg: 2, length: 3, mask: 4, xor: 5, op: 6 } as const;
const IMMEDIATE = { dreg: 1, data: 2 } as const;
const REDIR = { portMin: 1, flags: 3 } as const;
const TPROXY = { family: 1, address: 2, port: 3 } as const;
const NAT = { kind: 1, family: 2, addressMin: 3, addressMax: 4, portMin: 5, portMax: 6, flags: 7 } as const;
const NUMGEN = { dreg: 1, modulus: 2, kind: 3, offset: 4 } as const;
const LOOKUP = { set: 1, sreg: 2, dreg: 3, flags: 5 } as const;
const COUNTER = { bytes: 1, packets: 2 } as const;

const META_KEY: Readonly<Record<MetaKey, number>> = {
  mark: 3,
  iifname: 6,
  oifname: 7,
  skuid: 10,
  nfproto: 15,
  l4proto: 16,
};
const CT_KEY: Readonly<Record<CtKey, number>> = { state: 0, mark: 3, zone: 17 };
const VERDICT_CODE: Readonly<Record<VerdictCode, number>> = {
  continue: -1,
  jump: -3,
  goto: -4,
  return: -5,
  drop: 0,
  accept: 1,
};
const FAMILY = { ipv4: 2, ipv6: 10 } as const;
const BASE = { network: 1, transport: 2 } as const;
/** The range has a port. The kernel sets it itself and shows it on read-back. */
const NAT_PROTO_SPECIFIED = 2;

function named<K extends string>(table: Readonly<Record<K, number>>, n: number | null): K | null {
  for (const key in table) if (table[key] === n) return key;
  return null;
}

function hexBytes(text: string): Uint8Array {
  const out = new Uint8Array(text.length >> 1);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));
function toHex(bytes: Uint8Array | null): string {
  let out = "";
  for (const b of bytes ?? []) out += HEX[b]!; // a byte indexes 256 entries
  return out;
}

function putData(w: NetlinkWriter, type: number, data: string): void {
  w.nest(type);
  w.attr(DATA.value, hexBytes(data));
  w.endNest();
}

function putVerdict(w: NetlinkWriter, e: NftExpr & { readonly t: "verdict" }): void {
  w.be32(IMMEDIATE.dreg, 0);
  w.nest(IMMEDIATE.data);
  w.nest(DATA.verdict);
  w.be32(VERDICT.code, VERDICT_CODE[e.code]);
  if (e.chain !== "") w.string(VERDICT.chain, e.chain);
  w.endNest();
  w.endNest();
}

function putNat(w: NetlinkWriter, e: NftExpr & { readonly t: "nat" }): void {
  w.be32(NAT.kind, e.kind === "snat" ? 0 : 1);
  w.be32(NAT.family, FAMILY[e.family]);
  w.be32(NAT.addressMin, e.addressReg);
  if (e.portReg !== 0) w.be32(NAT.portMin, e.portReg);
}

function putBitwise(w: NetlinkWriter, e: NftExpr & { readonly t: "bitwise" }): void {
  w.be32(BITWISE.sreg, e.reg);
  w.be32(BITWISE.dreg, e.reg);
  w.be32(BITWISE.length, e.mask.length >> 1);
  w.be32(BITWISE.op, 0);
  putData(w, BITWISE.mask, e.mask);
  putData(w, BITWISE.xor, e.xor);
}

function putPayload(w: NetlinkWriter, e: NftExpr & { readonly t: "payload" }): void {
  w.be32(PAYLOAD.dreg, e.reg);
  w.be32(PAYLOAD.base, BASE[e.base]);
  w.be32(PAYLOAD.offset, e.offset);
  w.be32(PAYLOAD.length, e.length);
}

function putNumgen(w: NetlinkWriter, e: NftExpr & { readonly t: "numgen" }): void {
  w.be32(NUMGEN.dreg, e.reg);
  w.be32(NUMGEN.modulus, e.modulus);
  w.be32(NUMGEN.kind, e.kind === "incremental" ? 0 : 1);
  w.be32(NUMGEN.offset, 0);
}

/** The kernel's name of each expression. */
const NAME = {
  "meta-load": "meta",
  "meta-set": "meta",
  "ct-load": "ct",
  "ct-set": "ct",
  payload: "payload",
  cmp: "cmp",
  bitwise: "bitwise",
  immediate: "immediate",
  verdict: "immediate",
  counter: "counter",
  redir: "redir",
  tproxy: "tproxy",
  nat: "nat",
  masquerade: "masq",
  numgen: "numgen",
  lookup: "lookup",
} as const satisfies Record<Exclude<NftExpr["t"], "other">, string>;

function putBody(w: NetlinkWriter, e: NftExpr): void {
  switch (e.t) {
    case "meta-load":
    case "meta-set":
      w.be32(META.key, META_KEY[e.key]);
      return w.be32(e.t === "meta-load" ? META.dreg : META.sreg, e.reg);
    case "ct-load":
    case "ct-set":
      w.be32(CT.key, CT_KEY[e.key]);
      return w.be32(e.t === "ct-load" ? CT.dreg : CT.sreg, e.reg);
    case "payload":
      return putPayload(w, e);
    case "cmp":
      w.be32(CMP.sreg, e.reg);
      w.be32(CMP.op, e.op === "eq" ? 0 : 1);
      return putData(w, CMP.data, e.data);
    case "bitwise":
      return putBitwise(w, e);
    case "immediate":
      w.be32(IMMEDIATE.dreg, e.reg);
      return putData(w, IMMEDIATE.data, e.data);
    case "verdict":
      return putVerdict(w, e);
    case "counter":
      w.be64(COUNTER.bytes, 0n);
      return w.be64(COUNTER.packets, 0n);
    case "redir":
      w.be32(REDIR.portMin, e.portReg);
      return w.be32(REDIR.flags, NAT_PROTO_SPECIFIED);
    case "tproxy":
      w.be32(TPROXY.family, FAMILY[e.family]);
      return w.be32(TPROXY.port, e.portReg);
    case "nat":
      return putNat(w, e);
    case "numgen":
      return putNumgen(w, e);
    case "lookup":
      w.be32(LOOKUP.sreg, e.reg);
      return w.string(LOOKUP.set, e.set);
    case "masquerade":
    case "other":
      return;
  }
}

/** Appends one rule's expressions as the nested list attribute `type`. */
export function encodeExpressions(w: NetlinkWriter, type: number, expressions: readonly NftExpr[]): void {
  w.nest(type);
  for (const e of expressions) {
    w.nest(LIST_ELEM);
    w.string(EXPR.name, e.t === "other" ? e.name : NAME[e.t]);
    w.nest(EXPR.data);
    putBody(w, e);
    w.endNest();
    w.endNest();
  }
  w.endNest();
}

type Reader = (a: Attributes) => NftExpr | null;
const data = (a: Attributes, type: number): string => toHex(a.nested(type).bytes(DATA.value));

function getMeta(a: Attributes): NftExpr | null {
  const key = named(META_KEY, a.be32(META.key));
  if (key === null) return null;
  const sreg = a.be32(META.sreg);
  return sreg === null ? { t: "meta-load", key, reg: a.be32(META.dreg) ?? 0 } : { t: "meta-set", key, reg: sreg };
}

function getCt(a: Attributes): NftExpr | null {
  const key = named(CT_KEY, a.be32(CT.key));
  if (key === null || a.has(3)) return null; // 3: a direction, which nothing here asks for
  const sreg = a.be32(CT.sreg);
  return sreg === null ? { t: "ct-load", key, reg: a.be32(CT.dreg) ?? 0 } : { t: "ct-set", key, reg: sreg };
}

function getPayload(a: Attributes): NftExpr | null {
  const base = named(BASE, a.be32(PAYLOAD.base));
  const reg = a.be32(PAYLOAD.dreg);
  if (base === null || reg === null) return null;
  return { t: "payload", base, offset: a.be32(PAYLOAD.offset) ?? 0, length: a.be32(PAYLOAD.length) ?? 0, reg };
}

function getCmp(a: Attributes): NftExpr | null {
  const op = named({ eq: 0, neq: 1 }, a.be32(CMP.op));
  return op === null ? null : { t: "cmp", op, reg: a.be32(CMP.sreg) ?? 0, data: data(a, CMP.data) };
}

function getBitwise(a: Attributes): NftExpr | null {
  const reg = a.be32(BITWISE.sreg) ?? 0;
  if ((a.be32(BITWISE.op) ?? 0) !== 0 || a.be32(BITWISE.dreg) !== reg) return null;
  return { t: "bitwise", reg, mask: data(a, BITWISE.mask), xor: data(a, BITWISE.xor) };
}

function getImmediate(a: Attributes): NftExpr | null {
  const value = a.nested(IMMEDIATE.data);
  if (!value.has(DATA.verdict))
    return { t: "immediate", reg: a.be32(IMMEDIATE.dreg) ?? 0, data: data(a, IMMEDIATE.data) };
  const verdict = value.nested(DATA.verdict);
  const code = named(VERDICT_CODE, (verdict.be32(VERDICT.code) ?? 0) | 0);
  return code === null ? null : { t: "verdict", code, chain: verdict.string(VERDICT.chain) ?? "" };
}

function getNat(a: Attributes): NftExpr | null {
  const kind = named({ snat: 0, dnat: 1 }, a.be32(NAT.kind));
  const family = named(FAMILY, a.be32(NAT.family));
  const addressReg = a.be32(NAT.addressMin) ?? 0;
  const portReg = a.be32(NAT.portMin) ?? 0;
  if (kind === null || family === null) return null;
  const ranged = (a.be32(NAT.addressMax) ?? addressReg) !== addressReg || (a.be32(NAT.portMax) ?? portReg) !== portReg;
  return ranged ? null : { t: "nat", kind, family, addressReg, portReg };
}

function getTproxy(a: Attributes): NftExpr | null {
  const family = named(FAMILY, a.be32(TPROXY.family));
  return family === null || a.has(TPROXY.address) ? null : { t: "tproxy", family, portReg: a.be32(TPROXY.port) ?? 0 };
}

function getLookup(a: Attributes): NftExpr | null {
  if ((a.be32(LOOKUP.flags) ?? 0) !== 0 || a.has(LOOKUP.dreg)) return null;
  return { t: "lookup", set: a.string(LOOKUP.set) ?? "", reg: a.be32(LOOKUP.sreg) ?? 0 };
}

function getNumgen(a: Attributes): NftExpr | null {
  const kind = named({ incremental: 0, random: 1 }, a.be32(NUMGEN.kind));
  if (kind === null || (a.be32(NUMGEN.offset) ?? 0) !== 0) return null;
  return { t: "numgen", kind, modulus: a.be32(NUMGEN.modulus) ?? 0, reg: a.be32(NUMGEN.dreg) ?? 0 };
}

const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ["meta", getMeta],
  ["ct", getCt],
  ["payload", getPayload],
  ["cmp", getCmp],
  ["bitwise", getBitwise],
  ["immediate", getImmediate],
  ["counter", () => ({ t: "counter" })],
  ["redir", (a) => ({ t: "redir", portReg: a.be32(REDIR.portMin) ?? 0 })],
  ["tproxy", getTproxy],
  ["nat", getNat],
  ["masq", () => ({ t: "masquerade" })],
  ["numgen", getNumgen],
  ["lookup", getLookup],
]);

/** Reads a rule's expressions. One that nothing here makes comes back as `other`, so it can never pass for one of ours. */
export function decodeExpressions(list: Attributes): readonly NftExpr[] {
  return list.list.map(({ data: element }) => {
    const a = new Attributes(element);
    const name = a.string(EXPR.name) ?? "";
    return READERS.get(name)?.(a.nested(EXPR.data)) ?? { t: "other", name };
  });
}
