import { existsSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { currentNetns, openNftables, openRtnetlink, processStartTime } from "@lateen/linux";
import { isMeshKept } from "@lateen/local-mesh";
import { eventually } from "@lateen/testkit";
import type { MeshHome } from "./test-mesh.ts";

const DEADLINE_MS = 20_000;

/** What must be gone, and what must be as it was, once a mesh has ended. */
export interface Traces {
  readonly home: MeshHome;
  readonly processes: ReadonlyMap<number, number | null>;
  readonly namespaces: ReadonlySet<string>;
  readonly network: string;
}

/** The machine's own links and firewall tables: a mesh changes neither. */
export function ownNetwork(): string {
  using own = currentNetns();
  using links = openRtnetlink(own.fd);
  using nft = openNftables(own.fd);
  const names = links.links().map((l) => `${l.name} ${l.up ? "up" : "down"}`);
  return [...names, ...nft.read(() => true).tables.map((t) => `table ${t.name}`)].join("\n");
}

function pids(): readonly number[] {
  return readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

/** Reads what may vanish while it is read: then it is "". */
function read(file: string, how: (file: string) => string = (f) => readFileSync(f, "latin1")): string {
  try {
    return how(file);
  } catch {
    return ""; // the process ended, or it is another user's
  }
}

const NAMESPACES = ["net", "pid", "mnt", "ipc", "uts", "user"];
const namespacesOf = (pid: number): readonly string[] =>
  NAMESPACES.map((kind) => read(`/proc/${pid}/ns/${kind}`, readlinkSync)).filter((ns) => ns !== "");

/** Notes everything that a running mesh has on the machine. @param daemonPid first process of its PID namespace */
export function tracesOf(home: MeshHome, daemonPid: number, keeperPid: number): Traces {
  const own = new Set(namespacesOf(process.pid));
  const pidNamespace = read(`/proc/${daemonPid}/ns/pid`, readlinkSync);
  const members = pids().filter((pid) => read(`/proc/${pid}/ns/pid`, readlinkSync) === pidNamespace);
  const held = readdirSync(`/proc/${daemonPid}/fd`).map((fd) => read(`/proc/${daemonPid}/fd/${fd}`, readlinkSync));
  const namespaces = [...members.flatMap(namespacesOf), ...held.filter((link) => /^net:\[/.test(link))];
  return {
    home,
    processes: new Map([keeperPid, ...members].map((pid) => [pid, processStartTime(pid)])),
    namespaces: new Set(namespaces.filter((ns) => !own.has(ns))),
    network: ownNetwork(),
  };
}

/** Whether a process runs. One that has ended and only waits for its parent does not. */
function runs(pid: number): boolean {
  const stat = read(`/proc/${pid}/stat`);
  return pid !== process.pid && stat !== "" && !/\) Z /.test(stat);
}

/** How a process has to do with a folder, null when it has not. */
function touches(pid: number, folder: string): string | null {
  for (const file of ["environ", "cmdline", "mountinfo"])
    if (read(`/proc/${pid}/${file}`).includes(folder)) return `has ${folder} in its ${file}`;
  return read(`/proc/${pid}/cwd`, readlinkSync).startsWith(folder) ? `is in ${folder}` : null;
}

const describeProcess = (pid: number, why: string): string =>
  `process ${pid} (${read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").slice(0, 200)}) ${why}`;

/** Processes that were started with this folder in their environment or arguments, work in it, or have mounted from it. */
export function processesAbout(folder: string): readonly string[] {
  return pids()
    .filter(runs)
    .flatMap((pid) => {
      const why = touches(pid, folder);
      return why === null ? [] : [describeProcess(pid, why)];
    });
}

/** Processes of the mesh by pid and start, which find even those that hide where they come from. */
function known(t: Traces): readonly string[] {
  return [...t.processes]
    .filter(([pid, startTime]) => runs(pid) && processStartTime(pid) === startTime)
    .map(([pid]) => describeProcess(pid, "was one of its processes"));
}

function sockets(t: Traces): readonly string[] {
  return read("/proc/net/unix")
    .split("\n")
    .filter((line) => line.includes(t.home.root))
    .map((line) => `socket ${line.split(" ").at(-1) ?? ""}`);
}

/** Namespaces outlive their processes only where a mount or a descriptor holds them; the descriptors here are this test's. */
function heldNamespaces(t: Traces): readonly string[] {
  const mounts = read("/proc/self/mountinfo");
  const mounted = [...t.namespaces].filter((ns) => mounts.includes(ns)).map((ns) => `mount of ${ns}`);
  const own = readdirSync("/proc/self/fd").map((fd) => read(`/proc/self/fd/${fd}`, readlinkSync));
  return [...mounted, ...own.filter((link) => t.namespaces.has(link)).map((link) => `descriptor of ${link}`)];
}

/** What is left of a mesh now, one line each. */
async function leftovers(t: Traces): Promise<readonly string[]> {
  const { folders, env } = t.home;
  const tmp = env["TMPDIR"] ?? "";
  return [
    ...known(t),
    ...processesAbout(t.home.root),
    ...sockets(t),
    ...heldNamespaces(t),
    ...(existsSync(folders.run) ? [`folder ${folders.run}: ${readdirSync(folders.run).join(", ")}`] : []),
    ...readdirSync(tmp).map((name) => `file ${path.join(tmp, name)}`),
    ...((await isMeshKept(folders)) ? ["the lock of the mesh"] : []),
    ...(ownNetwork() === t.network ? [] : [`the machine's network was\n${t.network}\nand is\n${ownNetwork()}`]),
  ];
}

/** Waits until nothing is left. @throws Error naming everything that still is */
export async function expectNothingLeft(t: Traces): Promise<void> {
  await eventually(
    async () => {
      const left = await leftovers(t);
      if (left.length > 0) throw new Error(`these are left:\n${left.join("\n")}`);
      return true;
    },
    { what: "the mesh to leave nothing behind", deadlineMs: DEADLINE_MS },
  );
}
