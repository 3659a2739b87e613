import process from "node:process";
import type * as KoffiModule from "koffi";
import { Memory } from "./memory.ts";
import { openKoffi } from "./native.ts";

/** One call of a list: the function, six arguments as they lie in registers, and what it returned. In 32-bit words, 64 bytes in all. */
export const ENTRY_BYTES = 64;
export const FIRST_ARGUMENT = 2;
const MAX_ARGUMENTS = 6;
export const RESULT = 14;
const ENTRY_WORDS = ENTRY_BYTES / 4;
const TWO_32 = 0x1_0000_0000;

/** @param value an integer below 2^53; or a negative 32-bit one, for an `int` */
export function putAddress(words: Int32Array, at: number, value: number): void {
  words[at] = value | 0;
  words[at + 1] = (value / TWO_32) | 0;
}

/**
 * Makes the calls of a list in turn, up to the first that returns something else than 1.
 * @param entries address of the first, in memory that holds at least `count`
 * @returns how many returned 1
 * @see tools/bench/src/cpu-profile.ts, which knows it by the name `crossing`
 */
export type CallRunner = (entries: number, count: number) => number;

/** What the code reads and writes: address of the first entry, count, and how many returned 1. In 32-bit words. */
const ORDER_BYTES = 16;
const COUNT = 2;
const DONE = 3;

/**
 * Code for x86-64 (System V ABI) without arguments and result, which cost the runtime more than the memory that stands in for them:
 *
 * ```
 *         endbr64                         ; may be reached indirectly
 *         push rbx; push rbp; push r12    ; which leaves the stack aligned to 16
 *         mov  rax, ORDER
 *         mov  rbx, [rax]                 ; the entry
 *         mov  r12d, [rax+8]              ; count
 *         xor  ebp, ebp                   ; how many returned 1
 * again:  cmp  ebp, r12d
 *         jae  done
 *         mov  rdi, [rbx+8]               ; rsi +16, rdx +24, rcx +32, r8 +40, r9 +48
 *         call [rbx]
 *         mov  [rbx+56], rax
 *         cmp  eax, 1
 *         jne  done
 *         inc  ebp
 *         add  rbx, 64
 *         jmp  again
 * done:   mov  rax, ORDER
 *         mov  [rax+12], ebp
 *         pop  r12; pop rbp; pop rbx
 *         ret
 * ```
 * @param order address of the order
 */
function codeX64(order: number): Uint8Array {
  const address = new Uint8Array(BigUint64Array.of(BigInt(order)).buffer);
  return Uint8Array.of(
    ...[0xf3, 0x0f, 0x1e, 0xfa, 0x53, 0x55, 0x41, 0x54],
    ...[0x48, 0xb8, ...address, 0x48, 0x8b, 0x18, 0x44, 0x8b, 0x60, 0x08, 0x31, 0xed],
    ...[0x44, 0x39, 0xe5, 0x73, 0x2b],
    ...[0x48, 0x8b, 0x7b, 0x08, 0x48, 0x8b, 0x73, 0x10, 0x48, 0x8b, 0x53, 0x18],
    ...[0x48, 0x8b, 0x4b, 0x20, 0x4c, 0x8b, 0x43, 0x28, 0x4c, 0x8b, 0x4b, 0x30],
    ...[0xff, 0x13, 0x48, 0x89, 0x43, 0x38, 0x83, 0xf8, 0x01, 0x75, 0x08],
    ...[0xff, 0xc5, 0x48, 0x83, 0xc3, 0x40, 0xeb, 0xd0],
    ...[0x48, 0xb8, ...address, 0x89, 0x68, 0x0c, 0x41, 0x5c, 0x5d, 0x5b, 0xc3],
  );
}

const PAGE_BYTES = 4096;
const PROT_READ_WRITE = 3;
const PROT_READ_EXEC = 5;
const MAP_PRIVATE_ANONYMOUS = 0x22;

type Library = ReturnType<typeof KoffiModule.load>;

/** A page of machine code, never writable and executable at once. @returns its address; null where that is not allowed */
function executable(libc: Library, code: Uint8Array): bigint | null {
  const mmap = libc.func("mmap", "uint64", ["uint64", "uint64", "int", "int", "int", "int64"]);
  const mprotect = libc.func("mprotect", "int", ["uint64", "uint64", "int"]);
  const munmap = libc.func("munmap", "int", ["uint64", "uint64"]);
  const memcpy = libc.func("memcpy", "uint64", ["uint64", "void *", "uint64"]);
  const page = Number(mmap(0, PAGE_BYTES, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0));
  if (page <= 0) return null;
  memcpy(page, code, code.length);
  if (mprotect(page, PAGE_BYTES, PROT_READ_EXEC) === 0) return BigInt(page);
  munmap(page, PAGE_BYTES);
  return null;
}

/** By machine code: one crossing into C for all calls. @returns null on other machines, or where the kernel refuses the page */
function codeRunner(): CallRunner | null {
  if (process.arch !== "x64") return null;
  const koffi = openKoffi();
  const order = new Memory(ORDER_BYTES);
  const words = new Int32Array(order.buffer, order.offset, ORDER_BYTES / 4);
  const page = executable(koffi.load(null), codeX64(order.address));
  if (page === null) return null;
  const run = koffi.decode(page, koffi.proto("void", [])) as () => void;
  return function crossing(entries, count) {
    putAddress(words, 0, entries);
    words[COUNT] = count;
    run();
    return words[DONE]!; // inside the order
  };
}

let runnerOfThread: CallRunner | null | undefined;

/** The thread's own, from one page of code for its life; null where calls must be made one by one. */
export function callRunner(): CallRunner | null {
  return (runnerOfThread ??= codeRunner());
}

/** Makes the calls of a list one by one, each a crossing. @param words the list's memory, which begins at `base` */
export function singly(functions: readonly string[], words: Int32Array, base: number): CallRunner {
  const libc = openKoffi().load(null);
  // As `int`, of which a function may leave anything in the other half of the register.
  const bound = functions.map((name) => libc.func(name, "int", Array<string>(MAX_ARGUMENTS).fill("uint64")));
  const argument = (word: number): number => words[word + 1]! * TWO_32 + (words[word]! >>> 0); // inside an entry
  return function crossing(entries, count) {
    const first = (entries - base) / ENTRY_BYTES;
    for (let i = 0; i < count; i++) {
      const at = (first + i) * ENTRY_WORDS;
      const values = Array.from({ length: MAX_ARGUMENTS }, (_, k) => argument(at + FIRST_ARGUMENT + 2 * k));
      const result = bound[first + i]!(...values) as number; // a call of the list
      words[at + RESULT] = result;
      if (result !== 1) return i;
    }
    return count;
  };
}
