import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sleep } from "@lateen/lifecycle";
import { ECHO_PORT, type PodSpec, copyNamespaces, headless, object } from "./bench-mesh.ts";
import { BenchMesh } from "./mesh.ts";
import { type Machine, describeMachine, machineTime } from "./process-cost.ts";
import { percentile } from "./spread.ts";

const ECHO_SERVER = fileURLToPath(new URL("./echo-server.ts", import.meta.url));
const FLOW_CLIENT = fileURLToPath(new URL("./flow-client.ts", import.meta.url));
/** The figure that is asked for: what restarts may add to the slowest hundredth of all ways through the mesh. */
const MAX_ADDED_MS = 50;
const MEGABIT = 1e6 / 8;

export interface HotRestartOptions {
  /** Half of them at rest. */
  readonly connections: number;
  readonly restarts: number;
  /** Of all of them together, each way. */
  readonly megabits: number;
}

interface Seen {
  readonly connections: number;
  readonly bytes: number;
  readonly wrongBytes: number;
  readonly resets: number;
  readonly unanswered: number;
  readonly notEnded: number;
  readonly problems: readonly string[];
  readonly latenciesMs: readonly number[];
}

interface Run {
  readonly seconds: number;
  readonly connections: number;
  readonly bytes: number;
  readonly wrongBytes: number;
  readonly resets: number;
  readonly unanswered: number;
  readonly notEnded: number;
  readonly problems: readonly string[];
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface HotRestartReport {
  readonly machine: Machine;
  readonly options: HotRestartOptions;
  readonly quiet: Run;
  readonly restarted: Run;
  /** What each restart said of itself. */
  readonly restarts: readonly string[];
}

const PODS: readonly PodSpec[] = [
  { namespace: "meshed", name: "server", node: "node-2", commands: [["node", ECHO_SERVER, String(ECHO_PORT)]] },
  { namespace: "plain", name: "server", node: "node-2", commands: [["node", ECHO_SERVER, String(ECHO_PORT)]] },
  { namespace: "meshed", name: "client", node: "node-1", commands: [["sleep", "7200"]] },
  { namespace: "plain", name: "client", node: "node-1", commands: [["sleep", "7200"]] },
];

/** Who speaks with whom, and their share: HBONE through both proxies, plaintext through either. */
const PATHS = [
  { from: "client.meshed", to: "server.meshed", share: 0.5 },
  { from: "client.plain", to: "server.meshed", share: 0.25 },
  { from: "client.meshed", to: "server.plain", share: 0.25 },
] as const;

function writeMesh(home: string): string {
  const folder = join(home, "mesh");
  mkdirSync(folder, { recursive: true });
  copyNamespaces(folder);
  const items = PODS.flatMap((pod) => [object(pod), headless(pod)]);
  writeFileSync(join(folder, "pods.json"), JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  return folder;
}

/** Load for as long as `during` takes. */
async function load(mesh: BenchMesh, o: HotRestartOptions, during: () => Promise<void>): Promise<Run> {
  const programs = PATHS.map(({ from, to, share }) => {
    const half = String(Math.round((o.connections * share) / 2));
    const rate = String(Math.round(o.megabits * MEGABIT * share));
    return mesh.start(from, ["node", FLOW_CLIENT, to, String(ECHO_PORT), half, half, rate]);
  });
  await Promise.all(programs.map((p) => p.firstLine));
  const startedMs = performance.now();
  await during();
  const seconds = (performance.now() - startedMs) / 1000;
  for (const program of programs) program.release();
  const seen = (await Promise.all(programs.map((p) => p.output))).map(
    (text) => JSON.parse(text.split("\n").find((line) => line.startsWith("{")) ?? "{}") as Seen,
  );
  const latencies = seen.flatMap((s) => s.latenciesMs);
  const sum = (of: (s: Seen) => number): number => seen.reduce((n, s) => n + of(s), 0);
  return {
    seconds,
    connections: sum((s) => s.connections),
    bytes: sum((s) => s.bytes),
    wrongBytes: sum((s) => s.wrongBytes),
    resets: sum((s) => s.resets),
    unanswered: sum((s) => s.unanswered),
    notEnded: sum((s) => s.notEnded),
    problems: seen.flatMap((s) => s.problems),
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    maxMs: percentile(latencies, 1),
  };
}

/** Restarts the ztunnels of both nodes in turn, under load, after the same load without. */
export async function benchHotRestart(o: HotRestartOptions): Promise<HotRestartReport> {
  const home = mkdtempSync(join(tmpdir(), "lateen-bench-"));
  const before = machineTime();
  try {
    const folder = writeMesh(home);
    await using mesh = await BenchMesh.up("hot-restart", folder, { stateHome: home, ztunnel: null });
    const quiet = await load(mesh, o, () => sleep(5_000));
    const restarts: string[] = [];
    const restarted = await load(mesh, o, async () => {
      for (let i = 0; i < o.restarts; i++) {
        const said = await mesh.lateenctl(["local", "upgrade", "ztunnel", "--node", `node-${(i % 2) + 1}`]);
        restarts.push(said.stdout.trim());
      }
    });
    const after = machineTime();
    const steal = (after.stealSec - before.stealSec) / Math.max(1, after.totalSec - before.totalSec);
    return { machine: describeMachine(steal), options: o, quiet, restarted, restarts };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

const ms = (value: number): string => `${value.toFixed(1)} ms`;

function renderRun(name: string, r: Run): string {
  const mbit = (r.bytes * 8) / 1e6 / r.seconds;
  const faults = `${r.resets} resets, ${r.wrongBytes} wrong bytes, ${r.unanswered} unanswered, ${r.notEnded} not ended`;
  const ways = `p50 ${ms(r.p50Ms)}, p99 ${ms(r.p99Ms)}, max ${ms(r.maxMs)}`;
  const why = r.problems.length === 0 ? "" : ` (${[...new Set(r.problems)].join("; ")})`;
  return `${name.padEnd(14)}${r.connections} connections, ${mbit.toFixed(0)} Mbit/s echoed; ${ways}; ${faults}${why}\n`;
}

export function renderHotRestart(r: HotRestartReport): string {
  const added = r.restarted.p99Ms - r.quiet.p99Ms;
  const lines = r.restarts.map((line) => `  ${line}\n`).join("");
  return (
    `${renderRun("no restarts", r.quiet)}${renderRun(`${r.restarts.length} restarts`, r.restarted)}` +
    `added to p99: ${ms(added)}\n${lines}`
  );
}

export function missedHotRestart(r: HotRestartReport): readonly string[] {
  const missed: string[] = [];
  const { resets, wrongBytes, unanswered, notEnded } = r.restarted;
  if (resets + unanswered + notEnded > 0) missed.push(`connections cut: ${resets + unanswered + notEnded} of 0`);
  if (wrongBytes > 0) missed.push(`wrong bytes: ${wrongBytes} of 0`);
  const added = r.restarted.p99Ms - r.quiet.p99Ms;
  if (added > MAX_ADDED_MS) missed.push(`added stall p99: ${ms(added)} of at most ${ms(MAX_ADDED_MS)}`);
  return missed;
}
