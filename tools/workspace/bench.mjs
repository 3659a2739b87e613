// Runs the micro-benches of one project: every `bench/*.ts`, one after the other, each in a process of its own.
import { spawnSync } from "node:child_process";
import process from "node:process";
import { filesBelow, root } from "./projects.mjs";

const [dir, ...args] = process.argv.slice(2);
if (dir === undefined) throw new Error("Cannot run benches: give the folder of a project");
for (const file of filesBelow(`${dir}/bench`).filter((f) => f.endsWith(".ts") && !f.endsWith(".test.ts"))) {
  console.log(file);
  const r = spawnSync(process.execPath, ["--conditions=lateen:source", file, ...args], { cwd: root, stdio: "inherit" });
  if (r.status !== 0) process.exitCode = 1;
}
