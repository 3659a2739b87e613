import fs from "node:fs";
import path from "node:path";
import { once } from "node:events";
import { dieWithParent } from "@lateen/linux";
import { Code, MeshError } from "@lateen/errors";
import {
  type DaemonOptions,
  type EntryPoints,
  MAX_NODES,
  type MeshStatus,
  keepMesh,
  logTail,
} from "@lateen/local-mesh";
import process from "node:process";
import { type Command, EXIT, type Given, type Terminal, UsageError } from "../command.ts";
import { entryPoints, foldersOf, meshFlag } from "./mesh-access.ts";
import { pairs } from "./name-values.ts";
import { type KeepOptions, startKeeper, untilUp } from "./start-mesh.ts";

export const up: Command = {
  name: "up",
  summary: "bring a mesh up from a folder of YAML",
  usage: "-f DIR",
  about:
    "The folder is watched: every change in it takes effect at once. The mesh lives in network namespaces of its own; the\n" +
    "machine's network is not touched. An ordinary user needs user namespaces, which `unshare` of util-linux starts.",
  examples: ["lateenctl local up -f examples/first-mesh", "lateenctl local up -f shop --nodes 3 --foreground"],
  positionals: [0, 0],
  flags: {
    filename: { type: "string", short: "f", value: "DIR", help: "folder of manifests" },
    nodes: { type: "string", value: "N", default: "2", help: "number of nodes" },
    mesh: meshFlag,
    foreground: { type: "boolean", help: "stay, show the log, and take the mesh down at Ctrl-C" },
    timeout: { type: "string", value: "SECONDS", default: "60", help: "how long to wait until it is up" },
    ztunnel: { type: "string", value: "FILE", help: "run this node proxy, such as Istio's, in place of Lateen's" },
    "ztunnel-env": {
      ...{ type: "string", value: "NAME=VALUE", multiple: true },
      help: "setting of the node proxies, such as RUST_LOG=debug (repeatable)",
    },
  },
  cleansUp: true,
  run,
};

async function run(given: Given, terminal: Terminal): Promise<number> {
  const options = daemonOptions(given, terminal);
  const timeoutMs = positive(given.text("timeout"), "--timeout") * 1_000;
  const foreground = given.on("foreground");
  const keeper = await startKeeper({
    options,
    uid: terminal.uid,
    env: terminal.env,
    mode: foreground ? "foreground" : "background",
  });
  if (foreground) {
    using _signals = terminal.onSignals(["SIGINT", "SIGTERM", "SIGHUP"], () => keeper.kill("SIGTERM"));
    const [code] = (await once(keeper, "exit")) as [number | null];
    return code ?? EXIT.failed;
  }
  const { status } = await untilUp(keeper, { options, timeoutMs, signal: terminal.interrupted }).catch(async (e) => {
    if (!terminal.interrupted.aborted) throw e;
    // Whoever gives up wants nothing left; a mesh half up would be a surprise.
    keeper.ref();
    keeper.kill("SIGTERM");
    if (keeper.exitCode === null && keeper.signalCode === null) await once(keeper, "exit");
    terminal.stderr.write(`mesh ${options.folders.mesh} is taken down again\n`);
    throw e;
  });
  for (const problem of status.problems) terminal.stderr.write(`Warning: ${problem}\n`);
  if (!status.settled) {
    terminal.stderr.write(
      `Error: mesh "${status.mesh}" is not ready after ${timeoutMs / 1_000} s; it waits for\n` +
        `${status.waitingFor.map((w) => `  ${w}\n`).join("")}` +
        `its log ends with:\n${logTail(options.folders.daemonLog, 2_048)}` +
        "It goes on trying; `lateenctl local status` shows how far it is, `lateenctl local down` ends it.\n",
    );
    return EXIT.failed;
  }
  terminal.stdout.write(upLine(status));
  return EXIT.ok;
}

/** One line for a mesh that is as it should be; pods that failed are named. */
function upLine(status: MeshStatus): string {
  const failing = status.pods.filter((p) => !p.ready && p.phase !== "Succeeded");
  const names = failing.map((p) => `${p.namespace}/${p.name}`).join(", ");
  const but = failing.length === 0 ? "" : `, but not ready: ${names} (see lateenctl local status)`;
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
  const { nodes, pods } = status;
  return `mesh ${status.mesh} is up: ${count(nodes.length, "node")}, ${count(pods.length, "pod")}${but}\n`;
}

function daemonOptions(given: Given, terminal: Terminal): DaemonOptions {
  const folder = given.text("filename");
  if (folder === "") throw new UsageError("required flag --filename (-f) not set: the folder of manifests");
  return {
    folders: foldersOf(given, terminal),
    manifests: manifestFolder(path.resolve(terminal.cwd, folder)),
    nodes: nodeCount(given.text("nodes")),
    ztunnelEnv: pairs(given.texts("ztunnel-env"), "--ztunnel-env"),
    entries: withZtunnel(entryPoints(), given.text("ztunnel"), terminal.cwd),
  };
}

function withZtunnel(entries: EntryPoints, file: string, cwd: string): EntryPoints {
  if (file === "") return entries;
  const ztunnel = path.resolve(cwd, file);
  try {
    fs.accessSync(ztunnel, fs.constants.X_OK);
  } catch (e) {
    throw new MeshError(Code.BadInput, `Cannot run "${ztunnel}" as ztunnel: it is no file that may be executed`, {}, e);
  }
  return { ...entries, ztunnel };
}

function manifestFolder(folder: string): string {
  const stat = fs.statSync(folder, { throwIfNoEntry: false });
  if (stat?.isDirectory() === true) return fs.realpathSync(folder);
  const why = stat === undefined ? "there is no such folder" : "it is not a folder";
  throw new MeshError(Code.BadInput, `Cannot read manifests from "${folder}": ${why}`);
}

function nodeCount(text: string): number {
  const n = positive(text, "--nodes");
  if (n <= MAX_NODES) return n;
  throw new UsageError(`invalid argument "${text}" for --nodes: at most ${MAX_NODES}`);
}

function positive(text: string, flag: string): number {
  const n = Number(text);
  if (Number.isInteger(n) && n > 0) return n;
  throw new UsageError(`invalid argument "${text}" for ${flag}: need a whole number above 0`);
}

/** Not for users: the process that holds a mesh's daemon. */
export const keep: Command = {
  name: "keep",
  hidden: true,
  cleansUp: true,
  summary: "hold the daemon of a mesh",
  positionals: [1, 1],
  async run(given, terminal) {
    const { options, mode } = JSON.parse(given.positionals[0] ?? "") as KeepOptions;
    if (mode === "foreground") dieWithParent(process.ppid);
    return keepMesh({ options, output: "inherit", signal: terminal.interrupted });
  },
};
