import type { HeaderField } from "./api.ts";
import { part } from "./byte-queue.ts";
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

/** Blocks are parts of it, each handed out once and never written again: memory of its own costs more than a block. */
const SLAB_BYTES = 8192;
let slab: Uint8Array = new Uint8Array(0);
let used = 0;

/** Makes sure that the slab has this much left. */
function reserve(bytes: number): void {
  if (used + bytes <= slab.length) return;
  slab = new Uint8Array(Math.max(SLAB_BYTES, bytes));
  used = 0;
}

class Writer {
  readonly out: Uint8Array;
  at: number;

  constructor(out: Uint8Array, at: number) {
    this.out = out;
    this.at = at;
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
 * @param room bytes left free in front of the block, for a frame head
 * @see RFC 7541 section 6
 */
export function encodeHeaders(
  fields: readonly HeaderField[],
  announce: "table-size-zero" | "nothing",
  room = 0,
): Uint8Array {
  let maxBytes = room + 1;
  for (const [name, value] of fields) maxBytes += name.length + value.length + 12;
  reserve(maxBytes);
  const w = new Writer(slab, used + room);
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
  const block = part(slab, used, w.at);
  used = w.at;
  return block;
}
