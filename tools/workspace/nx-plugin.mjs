// Gives every package, app and tool the same Nx targets, so that no package.json repeats them.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { createNodesFromFiles } from "@nx/devkit";

/** Whether a folder holds a file with this ending, below `src` or beside it. */
function holds(folder, ending) {
  if (!existsSync(folder)) return false;
  return readdirSync(folder, { recursive: true }).some((f) => !f.includes("node_modules") && f.endsWith(ending));
}

/** Whether an app is run from bundles. */
const bundles = (at) => JSON.parse(readFileSync(path.join(at, "package.json"), "utf8")).lateen?.bundles !== undefined;

const inTurn = (commands) => ({
  executor: "nx:run-commands",
  options: { commands, parallel: false, cwd: "{workspaceRoot}" },
});

function targetsOf(workspaceRoot, root) {
  const at = path.join(workspaceRoot, root);
  const run = (command) => ({ executor: "nx:run-commands", options: { command, cwd: "{workspaceRoot}" } });
  const targets = { check: run(`node tools/workspace/lint.mjs ${root}`) };
  if (bundles(at)) targets.bundle = run("node tools/workspace/bundle.mjs"); // looks itself whether there is anything to do
  if (existsSync(path.join(at, "tsconfig.json"))) targets.build = run(`tsc -b ${root}`);
  // Meshes share the machine: one file at a time.
  if (holds(at, ".test.ts")) targets.test = run(`vitest run ${root}${root === "e2e" ? " --no-file-parallelism" : ""}`);
  if (holds(path.join(at, "bench"), ".ts")) targets.bench = run(`node tools/workspace/bench.mjs ${root}`);
  if (root === "tools/bench")
    targets.bench = inTurn(["enrol", "tunnel"].map((name) => `npm run bench -- ${name} --check`));
  return targets;
}

/** @type {import("@nx/devkit").CreateNodes} */
export const createNodes = [
  "{{packages,apps,tools}/*,e2e}/package.json",
  (files, options, context) =>
    createNodesFromFiles(
      (file) => {
        const root = path.dirname(file);
        return { projects: { [root]: { root, targets: targetsOf(context.workspaceRoot, root) } } };
      },
      files,
      options,
      context,
    ),
];
export const createNodesV2 = createNodes;
export const name = "lateen-workspace";
