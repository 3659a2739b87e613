import { Buffer } from "node:buffer";
import fs from "node:fs";
import { type SocketAddress, ipFromBytes } from "@lateen/addresses";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { inNetns } from "./namespaces.ts";

const LISTEN = "0A";

/** The kernel prints addresses as 32-bit words of its own byte order. */
function wordsToIp(hex: string): string {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++)
    bytes[(i & ~3) + 3 - (i & 3)] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return ipFromBytes(bytes);
}

/** Listening sockets in the text of `/proc/net/tcp` or `tcp6`. Pure; lines that it does not understand are skipped. */
export function parseListeners(text: string): readonly SocketAddress[] {
  const out: SocketAddress[] = [];
  for (const line of text.split("\n")) {
    const m = /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) /.exec(line);
    if (m !== null && m[3] === LISTEN) out.push({ ip: wordsToIp(m[1]!), port: Number.parseInt(m[2]!, 16) });
  }
  return out;
}

/** The kernel lists sockets that listen before all others, so a pod with many connections costs no more than this. */
const MAX_TABLE_BYTES = 256 << 10;

function readTable(name: "tcp" | "tcp6"): string {
  let fd: number;
  try {
    fd = fs.openSync(`/proc/thread-self/net/${name}`, "r");
  } catch (e) {
    if (name === "tcp6" && e instanceof Error && "code" in e && e.code === "ENOENT") return ""; // a kernel without IPv6
    throw new MeshError(Code.Unavailable, `Cannot read the namespace's ${name} table`, {}, e);
  }
  try {
    return readUpTo(fd, MAX_TABLE_BYTES);
  } finally {
    fs.closeSync(fd);
  }
}

function readUpTo(fd: number, maxBytes: number): string {
  const chunk = Buffer.alloc(16_384);
  const parts: string[] = [];
  for (let total = 0; total < maxBytes;) {
    const n = fs.readSync(fd, chunk);
    if (n === 0) break;
    parts.push(chunk.toString("latin1", 0, n));
    total += n;
  }
  return parts.join("");
}

/** What procfs says of the listening TCP sockets of a namespace. Slow where the kernel's table is big: milliseconds. */
export function procfsListeners(netns: number): readonly SocketAddress[] {
  return inNetns(netns, () => [...parseListeners(readTable("tcp")), ...parseListeners(readTable("tcp6"))]);
}

/** Start time in clock ticks since boot, from the text of `/proc/PID/stat`; null when it is malformed. Pure. */
export function parseStartTime(stat: string): number | null {
  // The command name may hold blanks and parentheses: only the last one ends it.
  const field = stat
    .slice(stat.lastIndexOf(")") + 1)
    .trim()
    .split(/\s+/)[19];
  return field !== undefined && /^\d+$/.test(field) ? Number(field) : null;
}

/** When a process started, in clock ticks since boot; null when it is gone. With the pid this names one process for good. */
export function processStartTime(pid: number): number | null {
  try {
    return parseStartTime(fs.readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return null; // it ended
  }
}

/** What a process's cgroups say about the pod it belongs to. */
export interface CgroupPod {
  readonly uid: string;
  readonly containerId: string;
}

const PUNCT = "[!-/:-@[-`{-~]";
const WORD = "[^!-/:-@[-`{-~]";
const HEX = (n: number): string => `([0-9a-fA-F]{${n}})`;
const UID = [8, 4, 4, 4, 12].map(HEX).join(`${PUNCT}?`);
const POD_PATH = new RegExp(`${PUNCT}pod${UID}${PUNCT}(?:${WORD}+${PUNCT})*(${WORD}+)$`);
const MAX_LINE = 4096;

/**
 * Finds pod UID and container id in the text of `/proc/PID/cgroup`. Pure.
 * @returns null when no line names a pod; BAD_INPUT when lines name different containers
 * @see the data-plane contract, section 1.10
 */
export function parseCgroupPod(text: string): Result<CgroupPod | null> {
  let found: CgroupPod | null = null;
  for (const line of text.split("\n")) {
    const path = line.slice(0, MAX_LINE).split(":").slice(2).join(":");
    const m = POD_PATH.exec(path.replace(/\.scope$/, ""));
    if (m === null) continue;
    const pod = { uid: m.slice(1, 6).join("-"), containerId: m[6]! };
    if (found !== null && found.containerId !== pod.containerId)
      return fail(
        new MeshError(Code.BadInput, "Cannot find the pod of a process: its cgroups name several containers"),
      );
    found = pod;
  }
  return ok(found);
}
