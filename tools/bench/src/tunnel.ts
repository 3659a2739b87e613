import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BULK_PORT, HTTP_PORT, writeBenchMesh } from "./bench-mesh.ts";
import { readFortio, readIperf, type Requests } from "./load.ts";
import { BenchMesh } from "./mesh.ts";
import { type ProcessCost, describeMachine, machineTime, processCost } from "./process-cost.ts";
import { type Spread, formatSpread, ratioSpread, spread } from "./spread.ts";
import { fortioProgram, requireProgram } from "./tools.ts";

export interface TunnelOptions {
  readonly rounds: number;
  /** Seconds of each load. */
  readonly seconds: number;
}

/** One way from the client to the server. */
export interface Variant {
  readonly name: "none" | "tcp-relay" | "tls-relay" | "lateen" | "ztunnel";
  readonly client: string;
  readonly server: string;
  /** Parts of the command lines of the two processes that carry the bytes. */
  readonly proxies: readonly (readonly string[])[];
}

const LATEEN: Variant = {
  name: "lateen",
  client: "client.meshed",
  server: "server.meshed",
  proxies: [["apps/ztunnel/src/main.ts"]],
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

export type Metrics = Record<string, number>;
type Results = Map<string, Metrics[]>;

export interface TunnelReport {
  readonly machine: ReturnType<typeof describeMachine>;
  readonly rounds: number;
  readonly variants: Readonly<Record<string, Readonly<Record<string, Spread>>>>;
  readonly ratios: Readonly<Record<string, Readonly<Record<string, Spread>>>>;
}

/** Runs one variant's loads and says what they cost. */
class Measurement {
  readonly #mesh: BenchMesh;
  readonly #variant: Variant;
  readonly #fortio: string;
  readonly #pids: readonly number[];
  readonly #seconds: number;

  constructor(mesh: BenchMesh, variant: Variant, fortio: string, seconds: number) {
    this.#mesh = mesh;
    this.#variant = variant;
    this.#fortio = fortio;
    this.#seconds = seconds;
    this.#pids = [...new Set(variant.proxies.flatMap((parts) => mesh.processes(parts)))];
  }

  async all(): Promise<Metrics> {
    const idle = this.#cost();
    const one = await this.#bulk(1);
    const eight = await this.#bulk(8);
    const [busy, busyCpuSec] = await this.#timed(() => this.#requests(["-c", "32", "-qps", "0"]));
    const steady = await this.#requests(["-c", "8", "-qps", "1000", "-uniform"]);
    const fresh = await this.#requests(["-c", "8", "-qps", "0", "-keepalive=false"]);
    const proxied = this.#pids.length > 0;
    return {
      gbps1: one.gbps,
      gbps8: eight.gbps,
      requestsPerSec32: busy.perSec,
      p50Ms1000: steady.p50Ms,
      p90Ms1000: steady.p90Ms,
      p99Ms1000: steady.p99Ms,
      newConnsPerSec: fresh.perSec,
      ...(proxied
        ? {
            cpuSecPerGB1: one.cpuSecPerGB,
            cpuSecPerGB8: eight.cpuSecPerGB,
            cpuUsPerRequest32: (busyCpuSec * 1e6) / busy.count,
            rssIdleMiB: idle.rssMiB,
            rssAfterMiB: this.#cost().rssMiB,
          }
        : {}),
    };
  }

  /** Resident memory that one idle connection costs both proxies together. Last of a run: memory does not come back at once. */
  async idleConnections(count: number): Promise<number> {
    const before = this.#cost().rssMiB;
    const code = `const n=require("net");let up=0;for(let i=0;i<${count};i++)n.connect(${HTTP_PORT},"${this.#variant.server}",()=>{if(++up===${count})setTimeout(()=>{console.log(up);process.exit()},2500)})`;
    const held = this.#mesh.exec(this.#variant.client, ["node", "-e", code]);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const during = this.#cost().rssMiB;
    await held;
    return ((during - before) * 1_024) / count;
  }

  #cost(): ProcessCost {
    return processCost(this.#pids);
  }

  async #timed<T>(work: () => Promise<T>): Promise<readonly [T, number]> {
    const before = this.#cost().cpuSec;
    const result = await work();
    return [result, this.#cost().cpuSec - before];
  }

  async #bulk(streams: number): Promise<{ readonly gbps: number; readonly cpuSecPerGB: number }> {
    const argv = [
      "iperf3",
      "-J",
      "-c",
      this.#variant.server,
      "-p",
      String(BULK_PORT),
      "-P",
      String(streams),
      "-t",
      String(this.#seconds),
    ];
    const [out, cpuSec] = await this.#timed(() => this.#mesh.exec(this.#variant.client, argv));
    const { gbps, gigabytes } = readIperf(out);
    return { gbps, cpuSecPerGB: cpuSec / gigabytes };
  }

  async #requests(how: readonly string[]): Promise<Requests> {
    const url = `http://${this.#variant.server}:${HTTP_PORT}/`;
    const argv = [
      this.#fortio,
      "load",
      "-quiet",
      "-json",
      "-",
      "-p",
      "50,90,99",
      "-r",
      "0.00001",
      "-t",
      `${this.#seconds}s`,
      ...how,
      url,
    ];
    return readFortio(await this.#mesh.exec(this.#variant.client, argv));
  }
}

/** Starts with another variant each round, so that none is always first. */
const rotated = <T>(items: readonly T[], by: number): readonly T[] => {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
};

const IDLE_CONNECTIONS = 500;

/** A variant with the mesh that it runs in: a foreign proxy has one of its own. */
interface Contestant {
  readonly variant: Variant;
  readonly mesh: BenchMesh;
}

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
    await using mesh = await BenchMesh.up("bench", folder, { stateHome: home, ztunnel: null });
    const contestants: Contestant[] = VARIANTS.map((variant) => ({ variant, mesh }));
    const real = process.env["ZTUNNEL_BIN"] ?? "";
    await using foreign =
      real === "" ? null : await BenchMesh.up("foreign", folder, { stateHome: home, ztunnel: real });
    if (foreign !== null)
      contestants.push({ variant: { ...LATEEN, name: "ztunnel", proxies: [[real]] }, mesh: foreign });
    const results = await runRounds(contestants, fortio, o);
    const after = machineTime();
    return summarise(results, o.rounds, (after.stealSec - before.stealSec) / (after.totalSec - before.totalSec));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function runRounds(contestants: readonly Contestant[], fortio: string, o: TunnelOptions): Promise<Results> {
  const results: Results = new Map();
  for (let round = 0; round < o.rounds; round++)
    for (const { variant, mesh } of rotated(contestants, round)) {
      process.stderr.write(`round ${round + 1} of ${o.rounds}: ${variant.name}\n`);
      const metrics = await new Measurement(mesh, variant, fortio, o.seconds).all();
      results.set(variant.name, [...(results.get(variant.name) ?? []), metrics]);
    }
  for (const { variant, mesh } of contestants) {
    if (variant.proxies.length === 0) continue;
    const perConnection = await new Measurement(mesh, variant, fortio, o.seconds).idleConnections(IDLE_CONNECTIONS);
    for (const metrics of results.get(variant.name) ?? []) metrics["rssPerIdleConnKiB"] = perConnection;
  }
  return results;
}

/** Adds what only a comparison within a round can say, then takes minimum, median and maximum. */
export function summarise(results: Results, rounds: number, steal: number): TunnelReport {
  const none = results.get("none") ?? [];
  for (const [name, all] of results)
    if (name !== "none")
      for (const [round, metrics] of all.entries())
        for (const p of ["p50", "p99"])
          metrics[`${p}AddedMs1000`] = metrics[`${p}Ms1000`]! - (none[round]?.[`${p}Ms1000`] ?? Number.NaN);
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
  return { machine: describeMachine(steal), rounds, variants, ratios };
}

/** Figures asked for; each names what is missed. */
export function missedFigures(report: TunnelReport): readonly string[] {
  const missed: string[] = [];
  for (const metric of ["gbps1", "gbps8"]) {
    const ratio = report.ratios["lateen/tls-relay"]?.[metric]?.median ?? 0;
    if (ratio < 0.9) missed.push(`${metric}: ${ratio.toFixed(2)} of the bare TLS relay, at least 0.90 is asked for`);
  }
  const added = report.variants["lateen"]?.["p50AddedMs1000"]?.median ?? Number.POSITIVE_INFINITY;
  if (!(added <= 0.5)) missed.push(`p50AddedMs1000: ${added.toFixed(3)} ms, at most 0.5 ms is asked for`);
  return missed;
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
    `median (min–max) of ${report.rounds} interleaved rounds`,
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
