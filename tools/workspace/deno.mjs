// Type-checks the portable packages (base, core, protocol) with Deno and runs their tests there.
// A test that needs Node itself as a peer is named *.node.test.ts and is not run here.
import { spawnSync } from "node:child_process";
import path from "node:path";
import process from "node:process";
import { filesBelow, projects, root } from "./projects.mjs";

const PORTABLE = new Set(["base", "core", "protocol"]);
const deno = path.join(root, "node_modules/.bin/deno");

/** Runs Deno with its output passed on. */
function run(...args) {
  const r = spawnSync(deno, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
    env: { ...process.env, NO_COLOR: "1" },
  });
  const text = `${r.stdout}${r.stderr}`.replace(/^.*(\.\.\. ok \(.*\)|^running \d+ tests? from .*|^Check .*)\n/gm, "");
  process.stdout.write(text);
  return r;
}

/** Runs test files under Deno. @returns exit code, and the tail of the report */
export function denoTest(files) {
  return run("test", "--no-check", "-A", ...files);
}

if (process.argv[1] === import.meta.filename) {
  const named = process.argv.slice(2);
  const dirs = projects()
    .filter((p) => PORTABLE.has(p.layer))
    .map((p) => p.dir);
  const checked = run("check", ...dirs.map((dir) => `${dir}/src/index.ts`));
  const files =
    named.length > 0 ? named : dirs.flatMap((dir) => filesBelow(`${dir}/src`)).filter((f) => f.endsWith(".test.ts"));
  const portable = files.filter((f) => !f.endsWith(".node.test.ts"));
  const tested = denoTest(portable);
  if (files.length > portable.length) console.log(`${files.length - portable.length} files are for Node alone`);
  process.exitCode = checked.status === 0 && tested.status === 0 ? 0 : 1;
}
