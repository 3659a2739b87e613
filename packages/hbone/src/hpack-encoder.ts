import type { HeaderField } from "./api.ts";
import { STATIC_TABLE } from "./hpack-static-table.ts";

const byName: ReadonlyMap<string, number> = new Map(STATIC_TABLE.map(([name], i) => [name, i + 1] as const).reverse());
/** Of the few names of which the table knows values, those with their indexes. */
const byValue: ReadonlyMap<string, ReadonlyMap<string, number>> = new Map(
  STATIC_TABLE.filter(([, value]) => value !== "").map(([name]) => [
    name,
    new Map(STATIC_TABLE.flatMap(([n, value], i) => (n === name && value !== "" ? [[value, i + 1] as const] : []))),
  ]),
);
/** Tells the peer that we use no dynamic table. */
const TABLE_SIZE_ZERO = 0x20;

class Writer {
  readonly out: Uint8Array;
  at = 0;

  constructor(maxBytes: number) {
    this.out = new Uint8Array(maxBytes);
  }

  integer(value: number, prefixBits: number, flags: number): void {
    const full = (1 << prefixBits) - 1;
    if (value < full) {
      this.out[this.at++] = flags | value;
      return;
    }
    this.out[this.at++] = flags | full;
    let rest = value - full;
    for (; rest >= 0x80; rest >>>= 7) this.out[this.at++] = 0x80 | (rest & 0x7f);
    this.out[this.at++] = rest;
  }

  string(text: string): void {
    this.integer(text.length, 7, 0);
    for (let i = 0; i < text.length; i++) this.out[this.at++] = text.charCodeAt(i);
  }
}

/**
 * Encodes fields without any state: static table references and literals that are not indexed, so any table size of the peer
 * is honoured. Characters are bytes (0..255), as `headerProblem` has checked.
 * @param announce `table-size-zero` on the first block after the peer named a table size
 * @see RFC 7541 section 6
 */
export function encodeHeaders(fields: readonly HeaderField[], announce: "table-size-zero" | "nothing"): Uint8Array {
  let maxBytes = 1;
  for (const [name, value] of fields) maxBytes += name.length + value.length + 12;
  const w = new Writer(maxBytes);
  if (announce === "table-size-zero") w.out[w.at++] = TABLE_SIZE_ZERO;
  for (const [name, value] of fields) {
    const whole = byValue.get(name)?.get(value);
    if (whole !== undefined) {
      w.integer(whole, 7, 0x80);
      continue;
    }
    const index = byName.get(name) ?? 0;
    w.integer(index, 4, 0);
    if (index === 0) w.string(name);
    w.string(value);
  }
  return w.out.subarray(0, w.at);
}
