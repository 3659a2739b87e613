// Runs the first ```ts block of each package's README, as a user would: by package name, in a process of its own.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { projects, root } from "./projects.mjs";

const DEADLINE_MS = 60_000;
const AT_ONCE = 2;

/** The first example of a README: its code and the words behind ```ts. Null when there is none. */
export function exampleOf(readme) {
  const m = /^```ts((?: [^\n]*)?)\n([\s\S]*?)^```\s*$/m.exec(readme);
  return m === null ? null : { words: m[1].trim().split(/\s+/).filter(Boolean), code: m[2] };
}

/** Runs one example inside its package, so that names resolve as they do there. */
export function runExample(dir, code) {
  return new Promise((resolve) => {
    // By standard input, so that nothing is written and the code still counts as a module of the package's folder.
    const args = ["--conditions=lateen:source", "--input-type=module-typescript", "-"];
    const child = spawn(process.execPath, args, { cwd: path.join(root, dir), stdio: ["pipe", "pipe", "pipe"] });
    let output = "";
    const timer = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
    child.stdout.on("data", (d) => (output += d));
    child.stderr.on("data", (d) => (output += d));
    child.stdin.on("error", () => undefined); // the example ended before it was read whole: its exit code says why
    child.stdin.end(code);
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      resolve({ ok: status === 0, output: signal === null ? output : `${output}\nended by ${signal}` });
    });
  });
}

async function check(p) {
  const file = path.join(root, p.dir, "README.md");
  const readme = existsSync(file) ? readFileSync(file, "utf8") : "";
  const lines = readme.split("\n").length - 1;
  if (lines > 40) return { name: p.dir, state: "failed", why: `README.md has ${lines} lines, the most is 40` };
  const example = exampleOf(readme);
  if (example === null) return { name: p.dir, state: "failed", why: "README.md has no ```ts example" };
  if (!example.code.includes(`"${p.name}"`))
    return { name: p.dir, state: "failed", why: `the example does not import ${p.name}` };
  if (example.words.includes("root") && process.getuid?.() !== 0)
    return { name: p.dir, state: "skipped", why: "needs root" };
  const r = await runExample(p.dir, example.code);
  return r.ok ? { name: p.dir, state: "passed", why: "" } : { name: p.dir, state: "failed", why: r.output };
}

if (process.argv[1] === import.meta.filename) {
  const only = process.argv.slice(2);
  const todo = projects().filter((p) => p.dir.startsWith("packages/") && (only.length === 0 || only.includes(p.dir)));
  const results = [];
  const worker = async () => {
    for (let p = todo.shift(); p !== undefined; p = todo.shift()) results.push(await check(p));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  for (const r of results) if (r.state !== "passed") console.log(`${r.state} ${r.name}: ${r.why}`);
  const count = (state) => results.filter((r) => r.state === state).length;
  console.log(`${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`);
  process.exitCode = count("failed") > 0 ? 1 : 0;
}
