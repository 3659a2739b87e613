import { Buffer } from "node:buffer";
import { type CallRunner, ENTRY_BYTES, FIRST_ARGUMENT, RESULT, putAddress, callRunner, singly } from "./call-runner.ts";
import { Memory } from "./memory.ts";
import { symbolAddress } from "./native.ts";

const WORDS = ENTRY_BYTES / 4;

/**
 * C calls whose arguments lie in memory, so that several are made in one crossing, and all through one function of the runtime:
 * on a processor whose caches are cold the way of a call through FFI costs more than what is called. Each call has a cache line.
 * For functions with at most six arguments, none of them a floating-point number, of which results below 2^31 matter.
 */
export class CallList {
  /** Of the first call, at a cache line. */
  readonly #address: number;
  readonly #words: Int32Array;
  readonly #run: CallRunner;

  /**
   * @param functions of the C library or of OpenSSL, in the order of the calls; arguments are 0 at first
   * @param runner makes the calls; one crossing each where there is none
   */
  constructor(functions: readonly string[], runner = callRunner()) {
    const { buffer, offset, address } = new Memory(Buffer.alloc((functions.length + 1) * ENTRY_BYTES));
    const at = (ENTRY_BYTES - (address % ENTRY_BYTES)) % ENTRY_BYTES;
    this.#address = address + at;
    this.#words = new Int32Array(buffer, offset + at, functions.length * WORDS); // which keeps the memory alive
    for (const [i, name] of functions.entries()) putAddress(this.#words, i * WORDS, symbolAddress(name));
    this.#run = runner ?? singly(functions, this.#words, this.#address);
  }

  /** @param value an address, a length or a descriptor: an integer below 2^53; or a negative 32-bit one, for an `int` */
  set(call: number, argument: number, value: number): void {
    putAddress(this.#words, call * WORDS + FIRST_ARGUMENT + 2 * argument, value);
  }

  /** Makes `count` calls from `first` on, up to one that returns something else than 1. @returns how many returned 1 */
  run(first: number, count: number): number {
    return this.#run(this.#address + first * ENTRY_BYTES, count);
  }

  /** Makes one call. @returns what it returned, as a 32-bit number */
  call(call: number): number {
    this.#run(this.#address + call * ENTRY_BYTES, 1);
    return this.#words[call * WORDS + RESULT]!; // inside an entry
  }
}
