import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Code, MeshError } from "@lateen/errors";
import { sleep } from "@lateen/lifecycle";
import {
  type DaemonOptions,
  type MeshClient,
  type MeshStatus,
  isMeshKept,
  logTail,
  openMeshClient,
  readNamespaceSettings,
  whyNoUserNamespace,
} from "@lateen/local-mesh";

export interface StartOptions {
  readonly options: DaemonOptions;
  readonly uid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `foreground`: output goes to this terminal, and the mesh ends with this process. */
  readonly mode: "background" | "foreground";
}

/** What the hidden `local keep` is told. */
export interface KeepOptions {
  readonly options: DaemonOptions;
  readonly mode: "background" | "foreground";
}

const RUNS_ALREADY =
  "it runs already; `lateenctl local status` shows it, `down` ends it, and --mesh NAME starts one beside it";

/**
 * Starts the keeper of a mesh.
 * @throws MeshError UNAVAILABLE when the mesh runs already, DENIED when the kernel forbids user namespaces
 */
export async function startKeeper(o: StartOptions): Promise<ChildProcess> {
  const { folders } = o.options;
  if (await isMeshKept(folders))
    throw new MeshError(Code.Unavailable, `Cannot start mesh "${folders.mesh}": ${RUNS_ALREADY}`);
  if (o.uid !== 0) requireUserNamespaces();
  const keep: KeepOptions = { options: o.options, mode: o.mode };
  const [file = "", ...args] = [...ownProgram(), "local", "keep", JSON.stringify(keep)];
  requireRoom(folders.state);
  const output = o.mode === "foreground" ? "inherit" : openLog(folders.daemonLog);
  const child = spawn(file, args, {
    stdio: ["ignore", output, output],
    detached: o.mode === "background",
    env: o.env,
  });
  if (typeof output === "number") fs.closeSync(output);
  if (o.mode === "background") child.unref();
  return child;
}

/** How this very program is started again. */
export function ownProgram(): readonly string[] {
  const here = fileURLToPath(import.meta.url);
  const extension = path.extname(here);
  const main = path.resolve(path.dirname(here), "..", `main${extension}`);
  return [process.execPath, ...(extension === ".ts" ? ["--conditions=lateen:source"] : []), main];
}

const START_BYTES = 256 * 1024;

/**
 * What a mesh writes as it starts must fit: on a full disk it could not even leave a line about why it failed.
 * @throws MeshError UNAVAILABLE naming the folder
 */
function requireRoom(folder: string): void {
  const probe = path.join(folder, `.room-${process.pid}`);
  usable(folder, () => {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    try {
      fs.writeFileSync(probe, new Uint8Array(START_BYTES), { mode: 0o600 });
    } finally {
      fs.rmSync(probe, { force: true });
    }
  });
}

function openLog(file: string): number {
  return usable(path.dirname(file), () => fs.openSync(file, "w", 0o600));
}

function usable<T>(folder: string, use: () => T): T {
  try {
    return use();
  } catch (e) {
    const why = e instanceof Error ? e.message : String(e);
    throw new MeshError(Code.Unavailable, `Cannot use state folder "${folder}": ${why}; it must be writable`, {}, e);
  }
}

/** @throws MeshError DENIED saying which setting of the kernel forbids user namespaces */
export function requireUserNamespaces(): void {
  const tried = spawnSync("unshare", ["--user", "--map-root-user", "--", process.execPath, "--version"], {
    encoding: "utf8",
  });
  if (tried.status === 0) return;
  if (tried.error !== undefined)
    throw new MeshError(
      Code.Unavailable,
      `Cannot make a user namespace: ${tried.error.message}; install util-linux (it has unshare) or run as root`,
    );
  const why = whyNoUserNamespace(readNamespaceSettings(), tried.stderr.trim());
  throw new MeshError(Code.Denied, `Cannot make a user namespace: ${why}`);
}

const FIRST_POLL_MS = 20;
const TAIL_BYTES = 4_096;

/**
 * Waits for a mesh just started.
 * @returns its status once it has settled, or at the deadline as it is then
 * @throws MeshError UNAVAILABLE with the end of its log when the keeper ended first
 */
export async function untilUp(
  keeper: ChildProcess,
  o: { readonly options: DaemonOptions; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<{ readonly client: MeshClient; readonly status: MeshStatus }> {
  const { folders } = o.options;
  const endMs = performance.now() + o.timeoutMs;
  let client: MeshClient | null = null;
  for (;;) {
    o.signal.throwIfAborted();
    if (keeper.exitCode !== null || keeper.signalCode !== null) throw notStarted(folders.mesh, folders.daemonLog);
    const leftMs = endMs - performance.now();
    const status = await openMeshClient(folders)
      .then((c) => (client = c).status({ wait: "settled", timeoutMs: Math.max(1, Math.min(leftMs, 500)) }))
      .catch(() => null); // not there yet; the deadline and the keeper's end are looked at above
    if (client !== null && status !== null && (status.settled || leftMs <= 0)) return { client, status };
    if (leftMs <= 0) throw notStarted(folders.mesh, folders.daemonLog);
    if (status === null) await sleep(FIRST_POLL_MS);
  }
}

function notStarted(mesh: string, log: string): MeshError {
  const tail = logTail(log, TAIL_BYTES).trimEnd();
  return new MeshError(
    Code.Unavailable,
    `Cannot start mesh "${mesh}"${tail === "" ? "" : `; its log ends with:\n${tail}`}`,
  );
}
