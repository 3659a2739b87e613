import type { Failure, SuiteResult } from "./suite-result.ts";

const MAX_FAILURES_SHOWN = 20;
const MAX_VALUE_CHARS = 600;

/** One line per suite: counts, then what of it is claimed. */
export function suiteLine(r: SuiteResult): string {
  const claim = typeof r.claimed === "string" ? r.claimed : `${r.claimed.length} kinds`;
  const mark = r.broken > 0 ? "FAIL" : claim === "none" ? "-" : "ok";
  const counts = `${pad(r.passed)} passed ${pad(r.failed)} failed ${pad(r.unsupported)} unsupported ${pad(r.total)} total`;
  return `${mark.padEnd(4)} ${r.suite.padEnd(32)} ${counts}  claimed: ${claim}`;
}

/** The failures of a suite with got and expected, bounded in number and length; claimed ones first. */
export function failureLines(r: SuiteResult): readonly string[] {
  const order = [...r.failures].sort((a, b) => Number(b.claimed) - Number(a.claimed));
  const shown = order.slice(0, MAX_FAILURES_SHOWN).flatMap((f) => oneFailure(r.suite, f));
  const more = order.length - MAX_FAILURES_SHOWN;
  return more > 0 ? [...shown, `  … and ${more} more in ${r.suite}`] : shown;
}

export function summaryLine(results: readonly SuiteResult[]): string {
  const broken = results.filter((r) => r.broken > 0).map((r) => r.suite);
  const passed = results.reduce((n, r) => n + r.passed, 0);
  const total = results.reduce((n, r) => n + r.total, 0);
  const verdict = broken.length === 0 ? "every claim holds" : `claims broken in ${broken.join(", ")}`;
  return `${passed} of ${total} cases passed; ${verdict}`;
}

function oneFailure(suite: string, f: Failure): readonly string[] {
  const head = `  ${f.claimed ? "CLAIMED " : ""}${f.outcome}: ${suite} [${f.kind}] ${printable(f.name, 200)}`;
  const lines = [f.why === undefined ? head : `${head}: ${printable(f.why, MAX_VALUE_CHARS)}`];
  if (f.outcome === "failed" && f.expected !== null)
    lines.push(`    got      ${bounded(f.got)}`, `    expected ${bounded(f.expected)}`);
  return lines;
}

function bounded(x: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(x, (_, v: unknown) => (typeof v === "bigint" ? String(v) : v)) ?? String(x);
  } catch {
    text = String(x); // a cycle in what the product returned; the outcome stands, only its print is poorer
  }
  return text.length <= MAX_VALUE_CHARS ? text : `${text.slice(0, MAX_VALUE_CHARS)}… (${text.length} characters)`;
}

/** Control characters of a case name must not reach the terminal. */
function printable(s: string, max: number): string {
  const clean = s.replaceAll(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return clean.length <= max ? clean : `${clean.slice(0, max)}…`;
}

function pad(n: number): string {
  return String(n).padStart(4);
}
