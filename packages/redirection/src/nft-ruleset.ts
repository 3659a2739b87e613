/** Where an nf_tables payload expression counts from. */
export type PayloadBase = "network" | "transport";
export type MetaKey = "iifname" | "oifname" | "l4proto" | "nfproto" | "mark" | "skuid";
export type CtKey = "state" | "mark" | "zone";
export type VerdictCode = "accept" | "drop" | "return" | "continue" | "jump" | "goto";

/**
 * One nf_tables expression, as the kernel's virtual machine has it. Values are hexadecimal bytes exactly as they lie in a
 * register, so two expressions are equal when they are equal as JSON. Counter values are not part of an expression.
 */
export type NftExpr =
  | { readonly t: "meta-load"; readonly key: MetaKey; readonly reg: number }
  | { readonly t: "meta-set"; readonly key: MetaKey; readonly reg: number }
  | { readonly t: "ct-load"; readonly key: CtKey; readonly reg: number }
  | { readonly t: "ct-set"; readonly key: CtKey; readonly reg: number }
  | {
      readonly t: "payload";
      readonly base: PayloadBase;
      readonly offset: number;
      readonly length: number;
      readonly reg: number;
    }
  | { readonly t: "cmp"; readonly op: "eq" | "neq"; readonly reg: number; readonly data: string }
  | { readonly t: "bitwise"; readonly reg: number; readonly mask: string; readonly xor: string }
  | { readonly t: "immediate"; readonly reg: number; readonly data: string }
  | { readonly t: "verdict"; readonly code: VerdictCode; readonly chain: string }
  | { readonly t: "counter" }
  | { readonly t: "redir"; readonly portReg: number }
  | { readonly t: "tproxy"; readonly family: "ipv4" | "ipv6"; readonly portReg: number }
  | {
      readonly t: "nat";
      readonly kind: "snat" | "dnat";
      readonly family: "ipv4" | "ipv6";
      readonly addressReg: number;
      /** 0: the port stays. */
      readonly portReg: number;
    }
  | { readonly t: "masquerade" }
  | { readonly t: "numgen"; readonly kind: "random" | "incremental"; readonly modulus: number; readonly reg: number }
  | { readonly t: "lookup"; readonly set: string; readonly reg: number }
  /** An expression that nothing here makes: kept by name, so that read-back can show it. */
  | { readonly t: "other"; readonly name: string };

export interface NftBase {
  readonly type: "filter" | "nat" | "route";
  readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
  readonly priority: number;
}
export interface NftChain {
  readonly name: string;
  /** null: a chain that only jumps reach. */
  readonly base: NftBase | null;
  readonly rules: readonly (readonly NftExpr[])[];
}
export interface NftSet {
  readonly name: string;
  readonly type: "ipv4_addr" | "ipv6_addr";
}
export interface NftTable {
  readonly family: "inet" | "ip" | "ip6";
  readonly name: string;
  readonly sets: readonly NftSet[];
  readonly chains: readonly NftChain[];
}
/** Tables that belong to us, whole: applying replaces their chains and rules, and leaves the elements of sets alone. */
export interface NftRuleset {
  readonly tables: readonly NftTable[];
}

/** Byte order of the kernel that the ruleset is for: marks and the like lie in registers in the machine's own order. */
export type Endianness = "LE" | "BE";

const hexByte = (n: number): string => (n & 0xff).toString(16).padStart(2, "0");
/** Hexadecimal text of bytes. */
export const hex = (bytes: Iterable<number>): string => Array.from(bytes, hexByte).join("");
/** A 32-bit number as it lies in a register. */
export function hostU32(n: number, order: Endianness): string {
  const bytes = [n >>> 24, n >>> 16, n >>> 8, n];
  return hex(order === "LE" ? bytes.reverse() : bytes);
}
/** A 16-bit number as it lies in a register. */
export const hostU16 = (n: number, order: Endianness): string => hex(order === "LE" ? [n, n >>> 8] : [n >>> 8, n]);
/** A port, in network order. */
export const netU16 = (n: number): string => hex([n >>> 8, n]);
/** An interface name, filled with zeros as the kernel compares it. */
export function interfaceName(name: string): string {
  return hex(Array.from({ length: 16 }, (_, i) => (i < name.length ? name.charCodeAt(i) : 0)));
}
