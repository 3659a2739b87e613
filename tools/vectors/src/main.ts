import { writeFile } from "node:fs/promises";
import process from "node:process";
import { parseArgs } from "node:util";
import { claims } from "./claims.ts";
import { drivers } from "./registry.ts";
import { failureLines, suiteLine, summaryLine } from "./report.ts";
import { exitCode, runVectors } from "./run-vectors.ts";
import type { SuiteResult } from "./suite-result.ts";

const USAGE = "usage: npm run vectors -- [--dir DIR] [--suite NAME]... [--json FILE]   (DIR else from LATEEN_VECTORS)";

async function main(): Promise<number> {
  const args = readArgs();
  if (typeof args === "string") return refuse(args);
  const result = await runVectors({ ...args, drivers, claims, onResult: (r) => console.log(suiteLine(r)) });
  if (!result.ok) return refuse(result.error.message);
  for (const line of result.value.flatMap(failureLines)) console.log(line);
  console.log(summaryLine(result.value));
  if (args.json !== undefined) await writeFile(args.json, toJson(result.value));
  return exitCode(result.value, args.suites);
}

type Args = { readonly dir: string; readonly suites: readonly string[]; readonly json: string | undefined };

function readArgs(): Args | string {
  try {
    const { values } = parseArgs({
      options: { dir: { type: "string" }, suite: { type: "string", multiple: true }, json: { type: "string" } },
    });
    const dir = values.dir ?? process.env["LATEEN_VECTORS"];
    if (dir === undefined || dir === "") return "No vectors folder: give --dir DIR or set LATEEN_VECTORS";
    return { dir, suites: (values.suite ?? []).map((s) => s.replace(/\.json$/, "")), json: values.json };
  } catch (e) {
    return (e as Error).message;
  }
}

function toJson(results: readonly SuiteResult[]): string {
  const text = JSON.stringify(results, (_, v: unknown) => (typeof v === "bigint" ? String(v) : v), 2);
  return `${text}\n`;
}

function refuse(why: string): number {
  console.error(why);
  console.error(USAGE);
  return 2;
}

process.exitCode = await main();
