import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import type * as KoffiModule from "koffi";
import { Memory } from "./memory.ts";

const PAGE = 4096;
const PROT_NONE = 0;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;

/**
 * Memory between two pages that are not there: one byte too far ends the process (or is EFAULT, where the kernel looks first).
 * @param side where it touches the missing page: its end, or its beginning
 */
export function guardedMemory(size: number, side: "end" | "start" = "end"): Memory {
  const koffi = createRequire(import.meta.url)("koffi") as typeof KoffiModule;
  const libc = koffi.load(null);
  const mmap = libc.func("mmap", "uint64", ["uint64", "uint64", "int", "int", "int", "int64"]);
  const mprotect = libc.func("mprotect", "int", ["uint64", "uint64", "int"]);
  const inner = Math.ceil(size / PAGE) * PAGE;
  const base = Number(mmap(0, inner + 2 * PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0));
  if (base <= 0) throw new Error("mmap failed");
  for (const page of [base, base + PAGE + inner])
    if (mprotect(page, PAGE, PROT_NONE) !== 0) throw new Error("mprotect failed");
  const start = base + PAGE + (side === "end" ? inner - size : 0);
  return new Memory(Buffer.from(koffi.view(BigInt(start), size)));
}
