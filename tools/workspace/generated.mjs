// Runs the `generate` script of every package that has one and says whether it changed anything: generated output is committed with its generator.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { filesBelow, projects, root } from "./projects.mjs";

const GENERATED = /\.generated\.[a-z.]+$|(^|\/)generated\//;

function snapshot() {
  const files = ["packages", "apps", "tools", "docs", "charts"].flatMap(filesBelow).filter((f) => GENERATED.test(f));
  const digest = (f) =>
    createHash("sha256")
      .update(readFileSync(path.join(root, f)))
      .digest("hex");
  return new Map(files.map((f) => [f, digest(f)]));
}

const generators = projects().filter(
  (p) => p.dir.startsWith("packages/") && p.manifest.scripts?.generate !== undefined,
);
const before = snapshot();
let failed = 0;
for (const p of generators) {
  const r = spawnSync("npm", ["run", "--silent", "generate"], { cwd: path.join(root, p.dir), encoding: "utf8" });
  if (r.status === 0) continue;
  failed++;
  console.log(`${p.dir}: generate failed\n${r.stdout}${r.stderr}`);
}
const after = snapshot();
const stale = [...new Set([...before.keys(), ...after.keys()])].filter((f) => before.get(f) !== after.get(f));
for (const f of stale) console.log(`${f} was stale; it is renewed now: commit it`);
console.log(`${generators.length} generators, ${after.size} files, ${stale.length} stale`);
process.exitCode = failed > 0 || stale.length > 0 ? 1 : 0;
