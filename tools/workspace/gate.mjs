// `npm test`: every gate in order, a line for each, the output of those that fail, and the sum of all tests at the end.
// `npm test -- lint unit` runs only these; `CI=true` makes a skipped test a failure.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { projects, root } from "./projects.mjs";

const ci = process.env.CI === "true";
const scratch = mkdtempSync(path.join(tmpdir(), "lateen-gate-"));
const NODE = path.join(root, "node_modules/.bin/node");
const bin = (name) => path.join(root, "node_modules/.bin", name);
const tool = (name) => [NODE, path.join(root, "tools/workspace", name)];

const NONE = { passed: 0, failed: 0, skipped: 0, named: [] };

/** Counts of a Vitest report. A file that did not load, or a run that wrote no report, counts as failed. */
function vitestCounts(report) {
  try {
    const r = JSON.parse(readFileSync(report, "utf8"));
    const tests = r.testResults.flatMap((f) =>
      f.assertionResults.map((t) => ({ ...t, file: path.relative(root, f.name) })),
    );
    const skipped = tests.filter((t) => t.status !== "passed" && t.status !== "failed");
    const broken = r.testResults.filter(
      (f) => f.status === "failed" && f.assertionResults.every((t) => t.status !== "failed"),
    );
    return {
      passed: r.numPassedTests,
      failed: r.numFailedTests + broken.length,
      skipped: skipped.length,
      named: skipped.map((t) => `${t.file}: ${t.fullName}`),
    };
  } catch {
    return { ...NONE, failed: 1 };
  }
}

/** Counts of a last line such as `3 passed, 1 failed, 0 skipped` or `ok | 3 passed | 0 failed (1s)`. */
function textCounts(output) {
  const last = (word) => Number([...output.matchAll(new RegExp(`(\\d+) ${word}`, "g"))].at(-1)?.[1] ?? 0);
  const named = [...output.matchAll(/^skipped (.*)$/gm)].map((m) => m[1]);
  return { passed: last("passed"), failed: last("failed"), skipped: last("(?:skipped|ignored)"), named };
}

function vectorsCounts(report) {
  try {
    const suites = JSON.parse(readFileSync(report, "utf8"));
    const sum = (key) => (Array.isArray(suites) ? suites : suites.suites).reduce((n, s) => n + (s[key] ?? 0), 0);
    return { ...NONE, passed: sum("passed"), failed: sum("failed") };
  } catch {
    return { ...NONE, failed: 1 };
  }
}

function vitest(name, ...args) {
  const report = path.join(scratch, `${name}.json`);
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  return {
    command: [bin("vitest"), "run", "--silent=passed-only", ...reporters, ...args],
    counts: () => vitestCounts(report),
  };
}

const vectors = process.env.LATEEN_VECTORS ?? "";
const gates = [
  // A lock file that `npm ci` refuses works for everyone who has installed before, and for nobody else.
  { name: "lock", command: ["npm", "ci", "--dry-run", "--offline", "--no-audit", "--no-fund", "--loglevel=error"] },
  { name: "format", command: [bin("prettier"), "--check", "--log-level=warn", "."] },
  { name: "types", command: tool("types.mjs") },
  { name: "lint", command: tool("lint.mjs") },
  { name: "generated", command: tool("generated.mjs") },
  { name: "unit", ...vitest("unit", "--exclude=e2e/**") },
  { name: "e2e", ...vitest("e2e", "--dir=e2e", "--no-file-parallelism") },
  { name: "deno", command: tool("deno.mjs"), counts: textCounts },
  { name: "readme", command: tool("readme-examples.mjs"), counts: textCounts },
  { name: "publishing", command: tool("publishing.mjs"), counts: textCounts },
  vectors === ""
    ? { name: "vectors", why: "not run: LATEEN_VECTORS names no folder" }
    : {
        name: "vectors",
        command: [
          NODE,
          "--conditions=lateen:source",
          "tools/vectors/src/main.ts",
          "--json",
          path.join(scratch, "vectors.json"),
        ],
        counts: () => vectorsCounts(path.join(scratch, "vectors.json")),
      },
];

function run(command) {
  return new Promise((resolve) => {
    const child = spawn(command[0], command.slice(1), {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NX_DAEMON: "false", NO_COLOR: "1", FORCE_COLOR: undefined },
    });
    let output = "";
    const take = (d) => (output += d);
    child.stdout.setEncoding("utf8").on("data", take);
    child.stderr.setEncoding("utf8").on("data", take);
    child.on("error", (e) => resolve({ status: 1, output: `${output}${e.message}` }));
    child.on("close", (status) => resolve({ status: status ?? 1, output }));
  });
}

function verdict(gate, status, counts) {
  if (status !== 0 || counts.failed > 0) return "FAILED";
  if (gate.counts !== undefined && counts.passed + counts.skipped === 0) return "FAILED: it found no test to run";
  return ci && counts.skipped > 0 ? "FAILED: nothing may be skipped when CI=true" : "ok";
}

/** What a failed gate said, without the lines about what passed. */
function failureOf(output) {
  const lines = output.split("\n").filter((l) => l.trim() !== "" && !/^\s*✓ /.test(l));
  return lines.map((l) => `  | ${l}`).join("\n");
}

async function runGate(gate) {
  if (gate.command === undefined) {
    console.log(`${gate.name.padEnd(12)} ${gate.why}`);
    return { ...NONE, bad: false };
  }
  const begun = performance.now();
  const { status, output } = await run(gate.command);
  const counts = gate.counts?.(output) ?? NONE;
  const result = verdict(gate, status, counts);
  const tests =
    gate.counts === undefined ? "" : `  ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
  console.log(`${gate.name.padEnd(12)} ${result}${tests}  (${((performance.now() - begun) / 1_000).toFixed(1)} s)`);
  for (const name of counts.named) console.log(`  skipped: ${name}`);
  if (result !== "ok") console.log(failureOf(output));
  return { ...counts, bad: result !== "ok" };
}

const only = process.argv.slice(2);
const unknown = only.filter((name) => !gates.some((g) => g.name === name));
if (unknown.length > 0) {
  console.error(`Cannot run ${unknown.join(", ")}: the gates are ${gates.map((g) => g.name).join(", ")}`);
  process.exit(2);
}
const total = { passed: 0, failed: 0, skipped: 0 };
const bad = [];
try {
  console.log(`Node ${process.version}, ${availableParallelism()} CPUs, ${ci ? "CI" : "local"}`);
  for (const gate of gates.filter((g) => only.length === 0 || only.includes(g.name))) {
    const r = await runGate(gate);
    for (const key of ["passed", "failed", "skipped"]) total[key] += r[key];
    if (r.bad) bad.push(gate.name);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
if (bad.length > 0) console.log(`failed gates: ${bad.join(", ")}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = bad.length > 0 ? 1 : 0;
