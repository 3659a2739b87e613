import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeBenchMesh } from "./bench-mesh.ts";
import { LAST_LOADS, LOADS, type LoadName, type Metrics, type Track, UNSHARED_LOADS, costOf } from "./loads.ts";
import { BenchMesh } from "./mesh.ts";
import { describeMachine, machineTime } from "./process-cost.ts";
import { profileLoad } from "./profile.ts";
import { type Spread, formatSpread, ratioSpread, spread } from "./spread.ts";
import { fortioProgram, requireProgram } from "./tools.ts";

export interface TunnelOptions {
  readonly rounds: number;
  /** Rounds before them that are not counted: a runtime compiles, windows grow. */
  readonly warm: number;
  /** Seconds of each load. */
  readonly seconds: number;
  readonly loads: readonly LoadName[];
  /** Connections that the load `idle` holds; 0 leaves it out. */
  readonly connections: number;
  /** Variants to run; empty for all. */
  readonly only: readonly string[];
}

/** One way from the client to the server. */
export interface Variant {
  readonly name: "none" | "tcp-relay" | "tls-relay" | "lateen" | "lateen-1-thread" | "lateen-2-threads" | "ztunnel";
  readonly client: string;
  readonly server: string;
  /** Parts of the command lines of the two processes that carry the bytes. */
  readonly proxies: readonly (readonly string[])[];
}

const LATEEN: Variant = {
  name: "lateen",
  client: "client.meshed",
  server: "server.meshed",
  proxies: [["apps/ztunnel/"]], // its bundle or its sources
};

const VARIANTS: readonly Variant[] = [
  { name: "none", client: "client.plain", server: "server.plain", proxies: [] },
  {
    name: "tcp-relay",
    client: "client.plain",
    server: "tcp-near.plain",
    proxies: [["relay.ts", " tcp ", "tcp-far.plain"], ["relay.ts", " tcp ", "server.plain"]], // prettier-ignore
  },
  {
    name: "tls-relay",
    client: "client.plain",
    server: "tls-near.plain",
    proxies: [["relay.ts", " tls-out "], ["relay.ts", " tls-in "]], // prettier-ignore
  },
  LATEEN,
];

/** So many data threads whatever the machine, in a mesh of that name; run only when `only` names them. */
const THREADS: readonly { readonly variant: Variant; readonly mesh: string; readonly threads: string }[] = [
  { variant: { ...LATEEN, name: "lateen-1-thread" }, mesh: "single", threads: "1" },
  { variant: { ...LATEEN, name: "lateen-2-threads" }, mesh: "double", threads: "2" },
];

/** What `only` may name. */
export const variantNames: ReadonlySet<string> = new Set([
  ...VARIANTS.map((v) => v.name),
  ...THREADS.map(({ variant }) => variant.name),
  "ztunnel",
]);

type Results = Map<string, Metrics[]>;

/**
 * Each load runs for so long before it counts. While the other variants have their turn a proxy may come to rest and give away what
 * it had compiled; that is another figure (ADR 0016).
 */
const WARM_SEC = 1;

async function runLoad(load: LoadName, on: Track): Promise<Metrics> {
  await LOADS[load]({ ...on, seconds: WARM_SEC });
  return LOADS[load](on);
}

export interface TunnelReport {
  readonly machine: ReturnType<typeof describeMachine>;
  readonly rounds: number;
  readonly warm: number;
  readonly variants: Readonly<Record<string, Readonly<Record<string, Spread>>>>;
  readonly ratios: Readonly<Record<string, Readonly<Record<string, Spread>>>>;
}

/** Starts with another variant each round, so that none is always first. */
const rotated = <T>(items: readonly T[], by: number): readonly T[] => {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
};

/** A variant with the mesh that it runs in: a foreign proxy has one of its own. */
interface Contestant {
  readonly variant: Variant;
  readonly mesh: BenchMesh;
  /** The same without shared tunnels; null while no load asks for it. */
  readonly unshared: BenchMesh | null;
}

/** Each connection has a tunnel of its own, and none is kept. */
const UNSHARED = { POOL_MAX_STREAMS_PER_CONNECTION: "1", POOL_UNUSED_RELEASE_TIMEOUT: "5ms" };

/**
 * The tunnel bench: every variant in each round, on equal topologies, within one run. `ZTUNNEL_BIN` names a foreign node proxy
 * that takes our place under our control plane and agent.
 */
export async function benchTunnel(o: TunnelOptions): Promise<TunnelReport> {
  requireProgram("iperf3", "install it, on Debian `apt-get install iperf3`");
  requireProgram("openssl", "install it, on Debian `apt-get install openssl`");
  const fortio = await fortioProgram();
  const home = mkdtempSync(join(tmpdir(), "lateen-bench-"));
  const before = machineTime();
  try {
    const folder = writeBenchMesh(home, fortio);
    await using meshes = new AsyncDisposableStack();
    const up = async (
      name: string,
      ztunnel: string | null,
      settings: Readonly<Record<string, string>> = {},
    ): Promise<Omit<Contestant, "variant">> => {
      const how = { stateHome: home, ztunnel, settings };
      const mesh = meshes.use(await BenchMesh.up(name, folder, how));
      if (!o.loads.some((load) => UNSHARED_LOADS.has(load))) return { mesh, unshared: null };
      const alone = { ...how, settings: { ...settings, ...UNSHARED } };
      return { mesh, unshared: meshes.use(await BenchMesh.up(`${name}1`, folder, alone)) };
    };
    const ours = await up("bench", null);
    const contestants: Contestant[] = VARIANTS.map((variant) => ({ variant, ...ours }));
    for (const { variant, mesh, threads } of THREADS)
      if (o.only.includes(variant.name))
        contestants.push({ variant, ...(await up(mesh, null, { ZTUNNEL_WORKER_THREADS: threads })) });
    const real = process.env["ZTUNNEL_BIN"] ?? "";
    if (real !== "")
      contestants.push({ variant: { ...LATEEN, name: "ztunnel", proxies: [[real]] }, ...(await up("foreign", real)) });
    const chosen = contestants.filter(({ variant }) => o.only.length === 0 || o.only.includes(variant.name));
    const results = await runRounds(chosen, fortio, o);
    const after = machineTime();
    return summarise(results, o, (after.stealSec - before.stealSec) / (after.totalSec - before.totalSec));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

const trackOf = (
  { variant, mesh }: Pick<Contestant, "variant" | "mesh">,
  { fortio, seconds, connections }: Pick<Track, "fortio" | "seconds" | "connections">,
): Track => ({
  mesh,
  client: variant.client,
  server: variant.server,
  pids: [...new Set(variant.proxies.flatMap((parts) => mesh.processes(parts)))],
  fortio,
  seconds,
  connections,
});

/** Runs the loads through our own mesh, each under a profile. @returns what took the time, and where it is drawn */
export async function profileTunnel(o: Pick<TunnelOptions, "seconds" | "loads" | "connections">): Promise<string> {
  requireProgram("iperf3", "install it, on Debian `apt-get install iperf3`");
  const fortio = await fortioProgram();
  const home = mkdtempSync(join(tmpdir(), "lateen-bench-"));
  try {
    const folder = writeBenchMesh(home, fortio);
    let text = "";
    for (const unshared of [false, true]) {
      const loads = o.loads.filter((load) => UNSHARED_LOADS.has(load) === unshared);
      if (loads.length === 0) continue;
      const settings = unshared ? UNSHARED : {};
      await using mesh = await BenchMesh.up("profile", folder, { stateHome: home, ztunnel: null, settings });
      const track = trackOf({ variant: LATEEN, mesh }, { ...o, fortio });
      for (const load of loads) text += await profileLoad(mesh, load, () => LOADS[load](track));
    }
    return text;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function runRounds(contestants: readonly Contestant[], fortio: string, o: TunnelOptions): Promise<Results> {
  const results: Results = new Map();
  for (let round = -o.warm; round < o.rounds; round++)
    for (const contestant of rotated(contestants, round + o.warm)) {
      const { name } = contestant.variant;
      process.stderr.write(round < 0 ? `not counted: ${name}\n` : `round ${round + 1} of ${o.rounds}: ${name}\n`);
      const { variant, mesh, unshared } = contestant;
      const on = (of: BenchMesh): Track => trackOf({ variant, mesh: of }, { ...o, fortio });
      const metrics = await runLoads(
        on(mesh),
        o.loads.filter((load) => !UNSHARED_LOADS.has(load) && !LAST_LOADS.has(load)),
      );
      for (const load of o.loads)
        if (UNSHARED_LOADS.has(load)) Object.assign(metrics, await runLoad(load, on(unshared ?? mesh)));
      if (round >= 0) results.set(name, [...(results.get(name) ?? []), metrics]);
    }
  for (const load of o.loads)
    for (const contestant of LAST_LOADS.has(load) ? contestants : []) {
      const metrics = await LOADS[load](trackOf(contestant, { ...o, fortio }));
      for (const round of results.get(contestant.variant.name) ?? []) Object.assign(round, metrics);
    }
  return results;
}

async function runLoads(track: Track, loads: readonly LoadName[]): Promise<Metrics> {
  const before = costOf(track);
  const metrics: Metrics = {};
  for (const load of loads) Object.assign(metrics, await runLoad(load, track));
  if (track.pids.length > 0) Object.assign(metrics, { rssIdleMiB: before.rssMiB, rssAfterMiB: costOf(track).rssMiB });
  return metrics;
}

/** Adds what only a comparison within a round can say, then takes minimum, median and maximum. */
export function summarise(results: Results, o: Pick<TunnelOptions, "rounds" | "warm">, steal: number): TunnelReport {
  const none = results.get("none") ?? [];
  for (const [name, all] of results)
    if (name !== "none")
      for (const [round, metrics] of all.entries())
        for (const p of ["p50", "p99"]) {
          const [ours, without] = [metrics[`${p}Ms1000`], none[round]?.[`${p}Ms1000`]];
          if (ours !== undefined && without !== undefined) metrics[`${p}AddedMs1000`] = ours - without;
        }
  const column = (name: string, metric: string): readonly number[] =>
    (results.get(name) ?? []).flatMap((m) => (Number.isFinite(m[metric]) ? [m[metric]!] : []));
  const metricsOf = (name: string): readonly string[] => Object.keys(results.get(name)?.[0] ?? {});
  const variants = Object.fromEntries(
    [...results.keys()].map((name) => [
      name,
      Object.fromEntries(metricsOf(name).map((metric) => [metric, spread(column(name, metric))])),
    ]),
  );
  const ratios = Object.fromEntries(
    [...results.keys()]
      .filter((name) => name !== "lateen")
      .map((name) => [
        `lateen/${name}`,
        Object.fromEntries(
          metricsOf(name).flatMap((metric) => {
            const ratio = ratioSpread(column("lateen", metric), column(name, metric));
            return ratio === null ? [] : [[metric, ratio]];
          }),
        ),
      ]),
  );
  return { machine: describeMachine(steal), rounds: o.rounds, warm: o.warm, variants, ratios };
}

/** Ratios first: on a shared machine they are what can be trusted. */
export function renderTunnel(report: TunnelReport): string {
  const section = (title: string, of: Readonly<Record<string, Readonly<Record<string, Spread>>>>): readonly string[] =>
    Object.entries(of).flatMap(([name, metrics]) => [
      "",
      `${title} ${name}`,
      ...Object.entries(metrics).map(([metric, s]) => `  ${metric.padEnd(20)} ${formatSpread(s)}`),
    ]);
  const { cpu, cores, node, kernel, steal } = report.machine;
  return [
    `median (min–max) of ${report.rounds} interleaved rounds; rounds before them, not counted: ${report.warm}; each load ran for ${WARM_SEC} s before it counted`,
    ...section("ratio", report.ratios),
    ...section("variant", report.variants),
    "",
    `${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}; neighbours took ${(100 * steal).toFixed(1)} % of the time`,
    "",
  ].join("\n");
}

/** Writes the report where `bench/results` keeps them. @returns the file */
export function saveReport(name: string, report: unknown): string {
  const folder = join(process.cwd(), "bench", "results");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.json`);
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  return file;
}
