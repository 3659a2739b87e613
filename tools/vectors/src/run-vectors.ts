import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import type { Claim } from "./claims.ts";
import { judgeSuite, unusableSuite } from "./judge-suite.ts";
import type { SuiteDriver } from "./suite-driver.ts";
import { loadSuite } from "./suite-file.ts";
import type { SuiteResult } from "./suite-result.ts";

const MAX_SUITES = 500;

export interface VectorsOptions {
  readonly dir: string;
  /** Only these suites; empty: every file of the folder and every claimed suite. */
  readonly suites: readonly string[];
  readonly drivers: readonly SuiteDriver[];
  readonly claims: readonly Claim[];
  /** Told each result as it comes. */
  readonly onResult?: (r: SuiteResult) => void;
}

/**
 * Judges the suites of a folder, in order of name.
 * @returns BAD_INPUT when the folder cannot be listed; everything wrong inside it is part of the results
 */
export async function runVectors(o: VectorsOptions): Promise<Result<readonly SuiteResult[]>> {
  const present = await listSuites(o.dir);
  if (!present.ok) return present;
  const names = o.suites.length > 0 ? o.suites : [...present.value, ...o.claims.map((c) => c.suite)];
  const results: SuiteResult[] = [];
  for (const suite of [...new Set(names)].sort()) {
    const result = await runSuite(suite, present.value.includes(suite), o);
    o.onResult?.(result);
    results.push(result);
  }
  return ok(results);
}

/** Exit 1 when a claim does not hold, or when a suite asked for by name cannot be read. */
export function exitCode(results: readonly SuiteResult[], asked: readonly string[]): 0 | 1 {
  return results.some((r) => r.broken > 0 || (r.problem !== undefined && asked.includes(r.suite))) ? 1 : 0;
}

async function runSuite(suite: string, exists: boolean, o: VectorsOptions): Promise<SuiteResult> {
  const claim = o.claims.find((c) => c.suite === suite);
  if (!exists) return unusableSuite(suite, claim, `Cannot find ${suite}.json in ${o.dir}`);
  const loaded = await loadSuite(join(o.dir, `${suite}.json`), suite);
  if (!loaded.ok) return unusableSuite(suite, claim, loaded.error.message);
  return judgeSuite(
    loaded.value,
    o.drivers.find((d) => d.suite === suite),
    claim,
  );
}

async function listSuites(dir: string): Promise<Result<readonly string[]>> {
  try {
    const names = (await readdir(dir)).filter((n) => n.endsWith(".json")).map((n) => n.slice(0, -".json".length));
    if (names.length <= MAX_SUITES) return ok(names);
    return fail(new MeshError(Code.BadInput, `Cannot use ${dir}: it holds ${names.length} JSON files, at most 500`));
  } catch (e) {
    return fail(new MeshError(Code.BadInput, `Cannot list the vectors folder: ${(e as Error).message}`));
  }
}
