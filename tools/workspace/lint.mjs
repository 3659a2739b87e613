// Lints with the project graph at hand: without it the boundary rule finds nothing and says nothing.
import path from "node:path";
import process from "node:process";
import { createProjectGraphAsync } from "@nx/devkit";
import { ESLint } from "eslint";

const BOUNDARY_HINT =
  ". Dependencies point one way, so that each package stays useful alone: move what both need down a layer, or take it as a parameter";
const root = path.resolve(import.meta.dirname, "../..");
process.chdir(root);
process.env["NX_DAEMON"] = "false";
const graph = await createProjectGraphAsync({ exitOnError: true });
if (!("@lateen/errors" in graph.nodes)) throw new Error("Cannot lint: the project graph does not hold @lateen/errors");

const targets = process.argv.slice(2).filter((a) => !a.startsWith("-"));
const eslint = new ESLint({
  cwd: root,
  errorOnUnmatchedPattern: false,
  fix: process.argv.includes("--fix"),
});
const files = targets.length > 0 ? targets : ["packages", "apps", "tools", "e2e"];
const results = await eslint.lintFiles(files);
if (process.argv.includes("--fix")) await ESLint.outputFixes(results);
for (const m of results.flatMap((r) => r.messages))
  if (m.ruleId === "@nx/enforce-module-boundaries") m.message += BOUNDARY_HINT;
const text = await (await eslint.loadFormatter("stylish")).format(results);
if (text !== "") process.stdout.write(text);
const bad = results.reduce((n, r) => n + r.errorCount + r.warningCount, 0);
console.log(`${results.length} files linted, ${bad} problems`);
process.exitCode = bad > 0 ? 1 : 0;
