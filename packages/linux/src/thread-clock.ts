import fs from "node:fs";
import { Memory } from "./memory.ts";
import { native } from "./native.ts";
import { systemError } from "./system-error.ts";

const CLOCK_THREAD_CPUTIME_ID = 3;
/** `struct timespec` of a 64-bit machine: seconds and nanoseconds, eight bytes each. */
const TIMESPEC_BYTES = 16;
const NANOSECONDS_AT = 8;

let timeOfThread: Memory | null = null;

/**
 * CPU time of the calling thread so far, in milliseconds with fractions: in user space and in the kernel on its behalf.
 * @throws MeshError UNAVAILABLE where this is not Linux on x64 or arm64
 */
export function threadCpuMs(): number {
  const memory = (timeOfThread ??= new Memory(TIMESPEC_BYTES));
  const calls = native();
  if (calls.clockGettime(CLOCK_THREAD_CPUTIME_ID, memory.address) !== 0)
    throw systemError("clock_gettime", calls.errno());
  return Number(memory.bytes.readBigInt64LE(0)) * 1e3 + Number(memory.bytes.readBigInt64LE(NANOSECONDS_AT)) / 1e6;
}

/**
 * How long the calling thread so far could have run and had no processor, in milliseconds with fractions: because others ran, or
 * because its cgroup had used up its quota. 0 where the kernel keeps no such account (`CONFIG_SCHED_INFO`).
 */
export function threadWaitedMs(): number {
  try {
    // Nanoseconds run, nanoseconds waited, turns: the kernel's Documentation/scheduler/sched-stats.rst.
    return Number(fs.readFileSync("/proc/thread-self/schedstat", "latin1").split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
}
