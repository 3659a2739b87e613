import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Code, MeshError } from "@lateen/errors";
import { isMeshKept, meshFolders } from "@lateen/local-mesh";
import { sleep } from "@lateen/lifecycle";
import { type Command, EXIT, type Given, type Terminal } from "../command.ts";
import { entryPoints } from "../local/mesh-access.ts";
import { ownProgram, requireUserNamespaces, startKeeper, untilUp } from "../local/start-mesh.ts";
import { DemoMesh } from "./demo-mesh.ts";
import { LinkCapture } from "./link-capture.ts";
import { type Evidence, type Proof, proofs } from "./proofs.ts";

export const demo: Command = {
  name: "demo",
  summary: "bring up a two-node mesh, prove what it does, take it down",
  about: "Everything happens in network namespaces without a route out; the machine's network is not touched.",
  positionals: [0, 0],
  cleansUp: true,
  flags: {
    filename: { type: "string", short: "f", value: "DIR", help: "the example to run (default: examples/first-mesh)" },
  },
  run,
};

const UP_TIMEOUT_MS = 30_000;
const DOWN_TIMEOUT_MS = 10_000;

async function run(given: Given, terminal: Terminal): Promise<number> {
  if (terminal.uid !== 0) return asRootOfOwnNamespace(terminal);
  const startedMs = performance.now();
  const home = mkdtempSync(path.join(tmpdir(), "lateen-demo-"));
  try {
    const manifests = path.join(home, "first-mesh");
    cpSync(exampleFolder(given.text("filename")), manifests, { recursive: true });
    const held = await withMesh(home, manifests, terminal, (mesh) => showAll(mesh, terminal, startedMs));
    const tookSec = ((performance.now() - startedMs) / 1_000).toFixed(1);
    terminal.stdout.write(`\n${held} of ${proofs.length} hold; everything is taken down again (${tookSec} s)\n`);
    return held === proofs.length ? EXIT.ok : EXIT.failed;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function exampleFolder(asked: string): string {
  if (asked !== "") return path.resolve(asked);
  const beside = fileURLToPath(new URL("../../../../examples/first-mesh", import.meta.url));
  if (existsSync(beside)) return beside;
  throw new MeshError(Code.BadInput, "Cannot find examples/first-mesh: name a folder with --filename");
}

/** An ordinary user runs the whole demo as root of a user namespace, so that it may look into the mesh's namespaces. */
async function asRootOfOwnNamespace(terminal: Terminal): Promise<number> {
  requireUserNamespaces();
  const args = [
    "--user",
    "--map-root-user",
    "--net",
    "--mount",
    "--ipc",
    "--uts",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--",
    ...ownProgram(),
    "demo",
  ];
  const child = spawn("unshare", args, { stdio: "inherit", env: terminal.env });
  using _signals = terminal.onSignals(["SIGINT", "SIGTERM"], (name) => child.kill(name));
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? EXIT.failed;
}

async function withMesh<T>(
  home: string,
  manifests: string,
  terminal: Terminal,
  use: (mesh: DemoMesh) => Promise<T>,
): Promise<T> {
  const folders = meshFolders({ mesh: "demo", env: { LATEEN_STATE_HOME: home }, uid: terminal.uid });
  if (!folders.ok) throw folders.error;
  const options = { folders: folders.value, manifests, nodes: 2, entries: entryPoints() };
  const keeper = await startKeeper({ options, uid: terminal.uid, env: terminal.env, mode: "background" });
  const down = (): void => void keeper.kill("SIGTERM");
  terminal.interrupted.addEventListener("abort", down, { once: true });
  try {
    const { client, status } = await untilUp(keeper, {
      options,
      timeoutMs: UP_TIMEOUT_MS,
      signal: terminal.interrupted,
    });
    if (!status.settled)
      throw new MeshError(Code.Timeout, `Cannot bring the mesh up: it waits for ${status.waitingFor.join(", ")}`);
    return await use(new DemoMesh(client, status, manifests));
  } finally {
    down();
    const endMs = performance.now() + DOWN_TIMEOUT_MS;
    while ((await isMeshKept(folders.value)) && performance.now() < endMs) await sleep(20);
  }
}

async function showAll(mesh: DemoMesh, terminal: Terminal, startedMs: number): Promise<number> {
  const upSec = ((performance.now() - startedMs) / 1_000).toFixed(1);
  terminal.stdout.write(`A mesh of two nodes from examples/first-mesh is up after ${upSec} s.\n`);
  using link = new LinkCapture(mesh.nodeNetns("node-1"));
  let held = 0;
  for (const proof of proofs) {
    terminal.interrupted.throwIfAborted();
    const { holds, seen } = await evidence(proof, mesh, link);
    if (holds) held++;
    const lines = seen.map((line) => `       ${line}\n`).join("");
    terminal.stdout.write(`\n${holds ? "  ok" : "FAIL"}   ${proof.claim}\n${lines}`);
  }
  return held;
}

async function evidence(proof: Proof, mesh: DemoMesh, link: LinkCapture): Promise<Evidence> {
  try {
    return await proof.show(mesh, link);
  } catch (error) {
    return { holds: false, seen: [error instanceof Error ? error.message : String(error)] };
  }
}
