import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "@lateen/lifecycle";
import type { ZtunnelUpgrade } from "@lateen/local-mesh";
import { ECHO_PORT } from "./bench-mesh.ts";
import {
  FLOW_CLIENT,
  PATHS,
  WORKLOADS,
  WORKLOAD_CLIENT,
  type WorkloadName,
  writeHotRestartMesh,
} from "./hot-restart-mesh.ts";
import { BenchMesh, type HeldProgram } from "./mesh.ts";
import { type Machine, describeMachine, machineTime } from "./process-cost.ts";
import { type Stretch, type Ways, waysWithin } from "./way-histogram.ts";

const MEGABIT = 1e6 / 8;
/** Short connections beside the long ones, of each program. */
const NEW_PER_SEC = 10;
/** Restarts between two quiet stretches: a noisy machine is noisy for both. */
const GROUP = 5;
const MIN_QUIET_MS = 5_000;
const MAX_QUIET_MS = 20_000;
/** Before each restart, at random up to this. */
const MAX_PAUSE_MS = 500;

export interface HotRestartOptions {
  /** Half of them at rest. */
  readonly connections: number;
  readonly restarts: number;
  /** Of all of them together, each way. */
  readonly megabits: number;
  readonly workloads: readonly WorkloadName[];
  /** Ends it early: what was seen until then is told. */
  readonly stop: AbortSignal;
}

/** What one client program saw. */
interface Seen {
  readonly connections: number;
  readonly bytes: number;
  readonly wrongBytes: number;
  readonly resets: number;
  readonly unanswered: number;
  readonly notEnded: number;
  readonly problems: readonly string[];
  readonly fresh: { readonly opened: number; readonly failed: number };
  readonly ways: Parameters<typeof waysWithin>[0][number];
}

export interface WorkloadSeen {
  readonly what: WorkloadName;
  readonly rounds: number;
  readonly done: number;
  readonly problems: readonly string[];
}

export interface HotRestartReport {
  readonly machine: Machine;
  readonly options: Omit<HotRestartOptions, "stop">;
  readonly seconds: number;
  readonly connections: number;
  readonly bytes: number;
  readonly wrongBytes: number;
  readonly resets: number;
  readonly unanswered: number;
  readonly notEnded: number;
  readonly fresh: { readonly opened: number; readonly failed: number };
  readonly problems: readonly string[];
  /** How long pieces were on their way while nothing was replaced, and while something was. */
  readonly quiet: Ways;
  readonly restarted: Ways;
  readonly workloads: readonly WorkloadSeen[];
  readonly restarts: readonly ZtunnelUpgrade[];
}

interface Stretches {
  readonly quiet: Stretch[];
  readonly restarted: Stretch[];
}

const lastObject = <T>(text: string): T =>
  JSON.parse(text.split("\n").findLast((line) => line.startsWith("{")) ?? "{}") as T;

function startFlows(mesh: BenchMesh, o: HotRestartOptions): readonly HeldProgram[] {
  return PATHS.map(({ from, to, share }) => {
    const half = String(Math.round((o.connections * share) / 2));
    const rate = String(Math.round(o.megabits * MEGABIT * share));
    return mesh.start(from, ["node", FLOW_CLIENT, to, String(ECHO_PORT), half, half, rate, String(NEW_PER_SEC)]);
  });
}

/** Replaces the ztunnels of both nodes in turn, in groups with as much time without between them. */
async function replaceInGroups(
  upgrade: (node: string) => Promise<ZtunnelUpgrade>,
  restarts: number,
  stop: AbortSignal,
  say: (upgraded: ZtunnelUpgrade) => void,
): Promise<Stretches> {
  const stretches: Stretches = { quiet: [], restarted: [] };
  const stretch = async (of: Stretch[], run: () => Promise<void>): Promise<number> => {
    const fromMs = Date.now();
    await run();
    of.push({ fromMs, toMs: Date.now() });
    return Date.now() - fromMs;
  };
  let quietMs = MIN_QUIET_MS;
  for (let done = 0; done < restarts && !stop.aborted; done += GROUP) {
    await stretch(stretches.quiet, () => sleep(quietMs));
    const tookMs = await stretch(stretches.restarted, async () => {
      for (let i = done; i < Math.min(restarts, done + GROUP) && !stop.aborted; i++) {
        await sleep(Math.random() * MAX_PAUSE_MS);
        say(await upgrade(`node-${(i % 2) + 1}`));
      }
    });
    quietMs = Math.min(MAX_QUIET_MS, Math.max(MIN_QUIET_MS, tookMs));
  }
  return stretches;
}

/** @param say hears of each restart as it is done */
export async function benchHotRestart(
  o: HotRestartOptions,
  say: (upgraded: ZtunnelUpgrade) => void,
): Promise<HotRestartReport> {
  const { stop: _stop, ...options } = o;
  const home = mkdtempSync(join(tmpdir(), "lateen-bench-"));
  chmodSync(home, 0o711); // a database runs as another user, and has its data below
  const before = machineTime();
  try {
    const folder = writeHotRestartMesh(home, o.workloads);
    await using mesh = await BenchMesh.up("hot-restart", folder, { stateHome: home, ztunnel: null });
    const client = await mesh.client();
    const databases = o.workloads.map((name) =>
      mesh.start("client.meshed", [
        "node",
        WORKLOAD_CLIENT,
        name,
        `${WORKLOADS[name].pod}.meshed`,
        String(WORKLOADS[name].port),
      ]),
    );
    await Promise.all(databases.map((p) => p.firstLine));
    const flows = startFlows(mesh, o);
    await Promise.all(flows.map((p) => p.firstLine));
    const startedMs = performance.now();
    const restarts: ZtunnelUpgrade[] = [];
    const stretches = await replaceInGroups(
      (node) => client.upgradeZtunnel(node),
      o.restarts,
      o.stop,
      (upgraded) => {
        restarts.push(upgraded);
        say(upgraded);
      },
    );
    const seconds = (performance.now() - startedMs) / 1000;
    for (const program of [...flows, ...databases]) program.release();
    const seen = await Promise.all(flows.map(async (p) => lastObject<Seen>(await p.output)));
    const workloads = await Promise.all(databases.map(async (p) => lastObject<WorkloadSeen>(await p.output)));
    const after = machineTime();
    const steal = (after.stealSec - before.stealSec) / Math.max(1, after.totalSec - before.totalSec);
    return { ...summed(seen, stretches), machine: describeMachine(steal), options, seconds, workloads, restarts };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function summed(
  seen: readonly Seen[],
  { quiet, restarted }: Stretches,
): Omit<HotRestartReport, "machine" | "options" | "seconds" | "workloads" | "restarts"> {
  const sum = (of: (s: Seen) => number): number => seen.reduce((n, s) => n + of(s), 0);
  const ways = seen.map((s) => s.ways);
  return {
    connections: sum((s) => s.connections),
    bytes: sum((s) => s.bytes),
    wrongBytes: sum((s) => s.wrongBytes),
    resets: sum((s) => s.resets),
    unanswered: sum((s) => s.unanswered),
    notEnded: sum((s) => s.notEnded),
    fresh: { opened: sum((s) => s.fresh.opened), failed: sum((s) => s.fresh.failed) },
    problems: seen.flatMap((s) => s.problems),
    quiet: waysWithin(ways, quiet),
    restarted: waysWithin(ways, restarted),
  };
}
