import fs from "node:fs";
import os from "node:os";

/** CAP_SYS_NICE */
const MAY_RAISE = 1n << 23n;
const BACKGROUND = 10;
const BACKGROUND_SESSION = 4;

/** Whether a priority that was lowered can be raised again: the kernel asks for a right on the machine, not in a user namespace. */
function mayRaise(): boolean {
  const map = fs.readFileSync("/proc/self/uid_map", "utf8").trim().split(/\s+/);
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(fs.readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return map.join(" ") === "0 0 4294967295" && (BigInt(`0x${effective}`) & MAY_RAISE) !== 0n;
}

/** The session of a process: the fourth word behind its name, which may hold anything. */
function sessionOf(pid: number): number {
  const state = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(state.slice(state.lastIndexOf(")") + 2).split(" ")[3]);
}

/**
 * Lets a process that just starts leave the processor to those that serve: loading a program keeps a core busy for a second. It
 * is to raise itself again before it serves; where it could not, nothing is changed. Where
 * the kernel shares the processor between sessions first, the session that it leads is put back too, though less: it also stands
 * back behind everything else of the machine.
 */
export function startInBackground(pid: number): void {
  try {
    if (!mayRaise()) return;
    for (const thread of fs.readdirSync(`/proc/${pid}/task`)) os.setPriority(Number(thread), BACKGROUND);
    if (sessionOf(pid) === pid) fs.writeFileSync(`/proc/${pid}/autogroup`, String(BACKGROUND_SESSION));
  } catch {
    // it has ended already, the machine forbids it or has no such groups: then it starts as it would have
  }
}
