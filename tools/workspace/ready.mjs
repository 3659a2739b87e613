// Makes a checkout ready to run: installs what package-lock.json names, unless it is installed already, and bundles what is run from
// bundles. Plain JavaScript for any Node ≥ 20 with nothing installed; idempotent; one line for what it does, none when there is
// nothing to do.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "../..");
const bin = path.join(root, "node_modules", ".bin", "node");

function readLock(file) {
  try {
    return JSON.parse(readFileSync(path.join(root, file), "utf8"));
  } catch {
    return null; // absent or cut short: as good as not installed
  }
}

/** Why an install is needed, or null. Compares what is installed with what is locked, not times: a checkout changes those. */
function whyInstall() {
  const wanted = readLock("package-lock.json");
  const have = readLock("node_modules/.package-lock.json");
  if (wanted === null) throw new Error("Cannot get ready: package-lock.json is missing or not JSON");
  if (have === null) return "nothing is installed";
  for (const [where, entry] of Object.entries(wanted.packages)) {
    if (!where.includes("node_modules/")) continue;
    const found = have.packages[where];
    if (found === undefined && entry.optional !== true && entry.devOptional !== true) return `${where} is missing`;
    if (found !== undefined && (found.version !== entry.version || found.link !== entry.link))
      return `${where} is another version`;
  }
  return nodeWorks() ? null : "the Node that comes by npm does not run";
}

function wantedNode() {
  return JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")).devDependencies.node;
}

function nodeWorks() {
  if (!existsSync(bin)) return false;
  const version = spawnSync(bin, ["--version"], { encoding: "utf8" });
  return version.status === 0 && version.stdout.trim() === `v${wantedNode()}`;
}

function npm(...args) {
  const cli = process.env.npm_execpath;
  const byNode = cli !== undefined && /\.[cm]?js$/.test(cli) && existsSync(cli);
  const command = byNode ? [process.execPath, cli, ...args] : ["npm", ...args];
  return spawnSync(command[0], command.slice(1), { cwd: root, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
}

function fail(message, result) {
  process.stderr.write(`${result?.stdout ?? ""}${result?.stderr ?? ""}${result?.error ?? ""}\n${message}\n`);
  process.exit(1);
}

const why = whyInstall();
if (why !== null) {
  console.log(`ready: npm ci, because ${why}`);
  const installed = npm("ci", "--no-audit", "--no-fund", "--loglevel=error");
  if (installed.status !== 0) fail("Cannot get ready: npm ci failed. Is the npm registry reachable?", installed);
  if (!nodeWorks()) {
    const again = npm("rebuild", "node", "--ignore-scripts=false", "--foreground-scripts");
    if (!nodeWorks())
      fail(
        `Cannot get ready: node_modules/.bin/node is not v${wantedNode()}. Are install scripts of npm packages switched off?`,
        again,
      );
  }
}

const bundled = spawnSync(bin, [path.join(root, "tools/workspace/bundle.mjs")], { cwd: root, encoding: "utf8" });
if (bundled.status !== 0) fail("Cannot get ready: an app cannot be bundled", bundled);
process.stdout.write(bundled.stdout);
