import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";

/** Kernel clock ticks per second as /proc shows them; 100 on every Linux that Node runs on. */
const TICKS_PER_SEC = 100;

export interface ProcessCost {
  readonly cpuSec: number;
  readonly rssMiB: number;
}

/** CPU seconds spent so far (user and system, all threads) and resident memory of some processes, added up. */
export function processCost(pids: readonly number[]): ProcessCost {
  let ticks = 0;
  let kib = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
    kib += Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  }
  return { cpuSec: ticks / TICKS_PER_SEC, rssMiB: kib / 1024 };
}

/** Files that a process here may have open at once at most (RLIMIT_NOFILE, the hard one). */
export function maxOpenFiles(): number {
  const hard = /^Max open files +\S+ +(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return hard === undefined || hard === "unlimited" ? Infinity : Number(hard);
}

/** CPU time of the whole machine so far, in seconds: all of it, and what other tenants took (steal). */
export function machineTime(): { readonly totalSec: number; readonly stealSec: number } {
  const fields = readFileSync("/proc/stat", "utf8").split("\n")[0]!.trim().split(/\s+/).slice(1, 9).map(Number);
  return { totalSec: fields.reduce((a, b) => a + b, 0) / TICKS_PER_SEC, stealSec: (fields[7] ?? 0) / TICKS_PER_SEC };
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly node: string;
  readonly kernel: string;
  /** Share of CPU time that neighbours took while the bench ran, 0..1. */
  readonly steal: number;
}

export function describeMachine(steal: number): Machine {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    node: process.version,
    kernel: readFileSync("/proc/sys/kernel/osrelease", "utf8").trim(),
    steal,
  };
}
