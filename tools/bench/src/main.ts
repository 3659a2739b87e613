import process from "node:process";
import { parseArgs } from "node:util";
import { MeshError } from "@lateen/errors";
import { benchEnrol, missedEnrolment, renderEnrol } from "./enrol.ts";
import { benchTunnel, missedFigures, renderTunnel, saveReport } from "./tunnel.ts";

const HELP = `Usage: npm run bench -- NAME [--check] [--rounds N] [--seconds N]

  tunnel   throughput, latency and cost of a connection: no mesh, bare relays, Lateen, and ZTUNNEL_BIN when set
  enrol    200 pods captured on one node, one after another: from request to verified

  --check      exit with 1 when a figure that is asked for is missed
  --rounds N   interleaved rounds of tunnel (default 3)
  --seconds N  length of each load of tunnel (default 3)
`;

interface Outcome {
  readonly text: string;
  readonly missed: readonly string[];
}

type Flags = { readonly rounds: number; readonly seconds: number };

const benches: Readonly<Record<string, (flags: Flags) => Promise<Outcome>>> = {
  tunnel: async (flags) => {
    const report = await benchTunnel(flags);
    return {
      text: `${renderTunnel(report)}written to ${saveReport("tunnel", report)}\n`,
      missed: missedFigures(report),
    };
  },
  enrol: async () => {
    const report = await benchEnrol();
    return {
      text: `${renderEnrol(report)}written to ${saveReport("enrol", report)}\n`,
      missed: missedEnrolment(report),
    };
  },
};

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      check: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "3" },
    },
  });
  const bench = benches[positionals[0] ?? ""];
  const flags = { rounds: Number(values.rounds), seconds: Number(values.seconds) };
  const usable = Object.values(flags).every((n) => Number.isInteger(n) && n > 0);
  if (values.help || bench === undefined || positionals.length !== 1 || !usable) {
    (values.help ? process.stdout : process.stderr).write(HELP);
    return values.help ? 0 : 2;
  }
  const { text, missed } = await bench(flags);
  process.stdout.write(text);
  for (const figure of missed) process.stdout.write(`missed  ${figure}\n`);
  return values.check && missed.length > 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${MeshError.is(error) ? error.message : String(error)}\n`);
  return 1;
});
