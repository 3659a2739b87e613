import process from "node:process";
import { parseArgs } from "node:util";
import { MeshError } from "@lateen/errors";
import { benchClusterPush, missedClusterPush, renderClusterPush } from "./cluster-push.ts";
import { SIZES, benchControlPlane, missedControlPlane, renderControlPlane } from "./control-plane.ts";
import { benchEnrol, missedEnrolment, renderEnrol } from "./enrol.ts";
import { WORKLOADS, type WorkloadName, workloadsHere } from "./hot-restart-mesh.ts";
import { missedHotRestart, renderHotRestart, renderUpgrade } from "./hot-restart-report.ts";
import { benchHotRestart } from "./hot-restart.ts";
import { DEFAULT_LOADS, LOADS, type LoadName } from "./loads.ts";
import { missedFigures } from "./asked-figures.ts";
import { CLIENTS, benchPush, missedPush, renderPush } from "./push.ts";
import { benchTunnel, profileTunnel, renderTunnel, saveReport, variantNames } from "./tunnel.ts";

const HELP = `Usage: npm run bench -- NAME [LOAD...] [--check] [--rounds N] [--seconds N] [--connections N] [--only VARIANTS]

  tunnel   throughput, latency and cost of a connection: no mesh, bare relays, Lateen, and ZTUNNEL_BIN when set;
           loads: ${Object.keys(LOADS).join(", ")} (default ${DEFAULT_LOADS.join(", ")})
  tunnel profile  our own proxies under each of these loads: which functions took the time, and a flame graph (SVG) of the
           busiest data thread of either node
  control-plane  what translation costs by the size of a cluster, and what one change costs; how long until 100 connected
           clients have it, at rest and with 100 changes a second
  api-server  the control plane over a real API server with 500 services and 2,000 pods: from a change of a pod until 100
           clients have it
  hot-restart  ztunnels replaced under load, in turn: what was cut, what was wrong, how long it stood still;
           interrupted, it tells what it saw until then
  enrol    200 pods captured on one node, one after another: from request to verified

  --check      exit with 1 when a figure that is asked for is missed
  --rounds N   interleaved rounds of tunnel (default 3), after --warm N rounds that are not counted (default 1)
  --seconds N  length of each load of tunnel (default 3), after a second that is not counted
  --connections N  of tunnel's idle, held at once to see what one costs (default 500; 20000 for the figure; 0: none); of
                   hot-restart, half of them at rest (default 200; 1000 for the figure)
  --only VARIANTS  of tunnel, parted by commas: none, tcp-relay, tls-relay, lateen, ztunnel (default all), and
                   lateen-1-thread and lateen-2-threads, which run only when named here
  --restarts N  of hot-restart (default 6; 50 for the figure)
  --megabits N  of hot-restart, all connections together, each way (default 40; 200 for the figure)
  --with NAMES  benchmarks of databases that run through hot-restart: pgbench, redis or none (default those that are here)
`;

interface Outcome {
  readonly text: string;
  readonly missed: readonly string[];
}

type Numeric = "rounds" | "warm" | "seconds" | "connections" | "longLived" | "restarts" | "megabits";
type Flags = Readonly<Record<Numeric, number>> & {
  readonly workloads: readonly WorkloadName[];
  readonly only: readonly string[];
};

const benches: Readonly<Record<string, (flags: Flags, loads: readonly LoadName[]) => Promise<Outcome>>> = {
  "tunnel profile": async (flags, loads) => {
    const text = await profileTunnel({ ...flags, loads: loads.length === 0 ? DEFAULT_LOADS : loads });
    return { text, missed: [] };
  },
  tunnel: async (flags, loads) => {
    const report = await benchTunnel({ ...flags, loads: loads.length === 0 ? DEFAULT_LOADS : loads });
    return {
      text: `${renderTunnel(report)}written to ${saveReport("tunnel", report)}\n`,
      missed: missedFigures(report),
    };
  },
  "control-plane": async () => {
    const report = benchControlPlane();
    const pushed = [];
    for (const [i, size] of SIZES.entries()) pushed.push(await benchPush(size, { passing: i === 0 }));
    const file = saveReport("control-plane", { ...report, pushed });
    const text = `${renderControlPlane(report)}${renderPush(pushed)}written to ${file}\n`;
    return { text, missed: [...missedControlPlane(report), ...missedPush(pushed)] };
  },
  "api-server": async () => {
    const report = await benchClusterPush(CLIENTS);
    const text = `${renderClusterPush(report)}written to ${saveReport("api-server", report)}\n`;
    return { text, missed: missedClusterPush(report) };
  },
  "hot-restart": async ({ longLived: connections, restarts, megabits, workloads }) => {
    const early = new AbortController();
    process.once("SIGINT", () => early.abort());
    const options = { connections, restarts, megabits, workloads, stop: early.signal };
    const report = await benchHotRestart(options, (upgraded) => process.stderr.write(renderUpgrade(upgraded)));
    const text = `${renderHotRestart(report)}written to ${saveReport("hot-restart", report)}\n`;
    return { text, missed: missedHotRestart(report) };
  },
  enrol: async () => {
    const report = await benchEnrol();
    return {
      text: `${renderEnrol(report)}written to ${saveReport("enrol", report)}\n`,
      missed: missedEnrolment(report),
    };
  },
};

const areLoads = (names: readonly string[]): names is readonly LoadName[] =>
  names.every((name) => Object.hasOwn(LOADS, name));

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      check: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "3" },
      connections: { type: "string" },
      with: { type: "string", default: workloadsHere().join(",") },
      warm: { type: "string", default: "1" },
      restarts: { type: "string", default: "6" },
      megabits: { type: "string", default: "40" },
      only: { type: "string", default: "" },
    },
  });
  const profiles = positionals[0] === "tunnel" && positionals[1] === "profile";
  const [name = "", ...loads] = profiles ? ["tunnel profile", ...positionals.slice(2)] : positionals;
  const bench = benches[name];
  const numbers = {
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
    connections: Number(values.connections ?? 500),
    longLived: Number(values.connections ?? 200),
    warm: Number(values.warm),
    restarts: Number(values.restarts),
    megabits: Number(values.megabits),
  };
  const only = values.only === "" ? [] : values.only.split(",");
  const databases = values.with === "" ? [] : values.with.split(",");
  const workloads = databases.filter((name): name is WorkloadName => Object.hasOwn(WORKLOADS, name));
  const mayBeNone = new Set(name === "hot-restart" ? [] : ["connections", "longLived", "warm"]);
  const usable =
    Object.entries(numbers).every(([of, n]) => Number.isInteger(n) && n >= (mayBeNone.has(of) ? 0 : 1)) &&
    only.every((variant) => variantNames.has(variant)) &&
    databases.every((name) => name === "none" || Object.hasOwn(WORKLOADS, name));
  if (
    values.help ||
    bench === undefined ||
    !usable ||
    !areLoads(loads) ||
    !(name.startsWith("tunnel") || loads.length === 0)
  ) {
    (values.help ? process.stdout : process.stderr).write(HELP);
    return values.help ? 0 : 2;
  }
  const { text, missed } = await bench({ ...numbers, only, workloads }, loads);
  process.stdout.write(text);
  for (const figure of missed) process.stdout.write(`missed  ${figure}\n`);
  return values.check && missed.length > 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${MeshError.is(error) ? error.message : String(error)}\n`);
  return 1;
});
