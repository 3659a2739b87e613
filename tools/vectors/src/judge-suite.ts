import type { Claim } from "./claims.ts";
import { type SuiteDriver, type Verdict, type VectorCase, failed, unsupported } from "./suite-driver.ts";
import type { LoadedSuite } from "./suite-file.ts";
import type { Counts, Failure, SuiteResult } from "./suite-result.ts";

const CASE_DEADLINE_MS = 60_000;
const MALFORMED = "malformed";

/** Runs every case of a loaded suite. Without a driver all are unsupported. */
export async function judgeSuite(
  loaded: LoadedSuite,
  driver: SuiteDriver | undefined,
  claim: Claim | undefined,
): Promise<SuiteResult> {
  const tally = new Tally(loaded.file.suite, claim);
  try {
    for (const c of loaded.cases) {
      if (typeof c === "string") {
        tally.add({ name: c, kind: MALFORMED, expected: undefined }, failed(undefined, c));
        continue;
      }
      const kind = kindOf(c, driver);
      tally.add({ name: c.name, kind, expected: c.expected }, await judgeCase(c, loaded, driver));
    }
  } finally {
    await driver?.close?.();
  }
  return tally.result();
}

/** The result of a suite whose file is missing or cannot be used: one failure that says why. */
export function unusableSuite(suite: string, claim: Claim | undefined, why: string): SuiteResult {
  const tally = new Tally(suite, claim);
  tally.add({ name: "(file)", kind: MALFORMED, expected: undefined }, failed(undefined, why));
  return { ...tally.result(), problem: why };
}

function kindOf(c: VectorCase, driver: SuiteDriver | undefined): string {
  try {
    if (driver?.kindOf !== undefined) return driver.kindOf(c);
  } catch {
    return MALFORMED; // a driver that cannot even name the kind: the case is not in the form of its suite
  }
  const op = c.input["op"];
  return typeof op === "string" ? op : "case";
}

async function judgeCase(c: VectorCase, loaded: LoadedSuite, driver: SuiteDriver | undefined): Promise<Verdict> {
  if (driver === undefined) return unsupported("no driver for this suite");
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const verdict = driver.judge(c, loaded.file);
    if (!(verdict instanceof Promise)) return verdict;
    const late = new Promise<Verdict>((resolve) => {
      timer = setTimeout(() => resolve(failed(undefined, `no verdict after ${CASE_DEADLINE_MS} ms`)), CASE_DEADLINE_MS);
    });
    return await Promise.race([verdict, late]);
  } catch (e) {
    return failed(undefined, `threw ${e instanceof Error ? `${e.name}: ${e.message}` : String(e)}`);
  } finally {
    clearTimeout(timer);
  }
}

class Tally {
  readonly #suite: string;
  readonly #claim: Claim | undefined;
  readonly #kinds = new Map<string, { passed: number; failed: number; unsupported: number; total: number }>();
  readonly #failures: Failure[] = [];
  #broken = 0;

  constructor(suite: string, claim: Claim | undefined) {
    this.#suite = suite;
    this.#claim = claim;
  }

  add(c: { name: string; kind: string; expected: unknown }, verdict: Verdict): void {
    const counts = this.#kinds.get(c.kind) ?? { passed: 0, failed: 0, unsupported: 0, total: 0 };
    counts[verdict.t] += 1;
    counts.total += 1;
    this.#kinds.set(c.kind, counts);
    if (verdict.t === "passed") return;
    const claimed = this.#claims(c.kind);
    if (claimed) this.#broken += 1;
    if (verdict.t === "unsupported" && !claimed) return;
    this.#failures.push({
      name: c.name,
      kind: c.kind,
      outcome: verdict.t,
      claimed,
      ...(verdict.why === undefined ? {} : { why: verdict.why }),
      ...(verdict.t === "failed" ? { got: verdict.got ?? null, expected: c.expected ?? null } : {}),
    });
  }

  result(): SuiteResult {
    const sum = (f: (c: Counts) => number): number => [...this.#kinds.values()].reduce((n, c) => n + f(c), 0);
    return {
      suite: this.#suite,
      claimed: this.#claim === undefined ? "none" : (this.#claim.kinds ?? "all"),
      broken: this.#broken,
      passed: sum((c) => c.passed),
      failed: sum((c) => c.failed),
      unsupported: sum((c) => c.unsupported),
      total: sum((c) => c.total),
      kinds: Object.fromEntries(this.#kinds),
      failures: this.#failures,
    };
  }

  /** A case that cannot be read could be of any kind, so it breaks a partial claim as well. */
  #claims(kind: string): boolean {
    if (this.#claim === undefined) return false;
    return this.#claim.kinds === undefined || kind === MALFORMED || this.#claim.kinds.includes(kind);
  }
}
