// Type-checks everything and builds `dist` on the way: project references make it one incremental run. It also holds each tsconfig's
// references to the imports of its package, because a missing one makes the compiler check the same sources many times over.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { filesBelow, projects, root } from "./projects.mjs";

const hasSources = (p) => filesBelow(p.dir).some((f) => f.endsWith(".ts"));
const all = projects().filter((p) => existsSync(path.join(root, p.dir, "tsconfig.json")) && hasSources(p));
const dirOf = new Map(all.map((p) => [p.name, p.dir]));

/** Names of ours that the sources of a project import. */
function importedNames(p) {
  const names = new Set();
  for (const file of filesBelow(p.dir === "e2e" ? "e2e" : `${p.dir}/src`).filter(
    (f) => f.endsWith(".ts") && !f.includes("/testdata/"),
  )) {
    const text = readFileSync(path.join(root, file), "utf8");
    for (const m of text.matchAll(/^(?:import|export)\b[^"']*?from "(@lateen\/[a-z-]+)[^"]*";$/gm)) names.add(m[1]);
  }
  names.delete(p.name);
  return [...names].filter((n) => dirOf.has(n));
}

function referenceProblems(p) {
  const config = JSON.parse(readFileSync(path.join(root, p.dir, "tsconfig.json"), "utf8"));
  const have = (config.references ?? []).map((r) => path.join(p.dir, r.path));
  return importedNames(p)
    .map((n) => dirOf.get(n))
    .filter((dir) => !have.includes(dir))
    .map((dir) => `${p.dir}/tsconfig.json: add { "path": "${path.relative(p.dir, dir)}" } to "references"`);
}

function dependencyProblems(p) {
  const m = p.manifest;
  const have = { ...m.dependencies, ...m.devDependencies, ...m.peerDependencies };
  return importedNames(p)
    .filter((n) => n !== "@lateen/testkit" && have[n] === undefined && m.private !== true)
    .map((n) => `${p.dir}/package.json: add "${n}" to "dependencies"`);
}

const problems = all.flatMap((p) => [...referenceProblems(p), ...dependencyProblems(p)]);
for (const problem of problems) console.log(problem);
const tsc = (...args) => {
  const command = path.join(root, "node_modules/.bin/tsc");
  const r = spawnSync(command, [...args, "--pretty", "false"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  process.stdout.write(`${r.stdout}${r.stderr}`);
  return r.status === 0;
};
const built = tsc("-b", ...all.map((p) => p.dir));
const benches = tsc("-p", "tools/workspace/tsconfig.bench.json"); // micro-benches are no part of a package's build
process.exitCode = built && benches && problems.length === 0 ? 0 : 1;
