import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import process from "node:process";
import { Code, MeshError } from "@lateen/errors";
import { createNetns, spawnIn } from "@lateen/linux";
import type { DaemonOptions } from "./daemon.ts";
import { type MeshFolders, removeRunFolder } from "./mesh-folders.ts";

/** Where a mesh's daemon stands outside its PID namespace. */
export interface KeeperRecord {
  readonly keeperPid: number;
  readonly daemonPid: number;
}

/** A mesh is locked by a socket without a path: the kernel lets go of it when its keeper ends, however that happens. */
function lockName(folders: Pick<MeshFolders, "state">): string {
  const uid = process.getuid?.() ?? 0;
  const hash = createHash("sha256").update(folders.state).digest("hex").slice(0, 32);
  return `\0lateen-local/${uid}/${hash}`;
}

/** Whether a keeper runs for this mesh. */
export function isMeshKept(folders: Pick<MeshFolders, "state">): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(lockName(folders));
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** Names of the meshes that run now, of those that keep their state where this one does. */
export async function keptMeshes(folders: Pick<MeshFolders, "state">): Promise<readonly string[]> {
  const home = path.dirname(folders.state);
  const names = fs.existsSync(home) ? fs.readdirSync(home).sort() : [];
  const kept = await Promise.all(names.map((name) => isMeshKept({ state: path.join(home, name) })));
  return names.filter((_, i) => kept[i]);
}

/** Sends a signal to the keeper of a mesh: SIGTERM asks it to end the daemon, by force if need be. @returns whether there is one */
export function signalKeeper(folders: MeshFolders, signal: NodeJS.Signals): boolean {
  try {
    const { keeperPid } = JSON.parse(fs.readFileSync(recordFile(folders), "utf8")) as KeeperRecord;
    process.kill(keeperPid, signal);
    return true;
  } catch {
    return false; // it has written no record yet, or has ended
  }
}

const recordFile = (folders: MeshFolders): string => path.join(folders.run, "keeper.json");

async function lockMesh(folders: MeshFolders): Promise<Disposable> {
  const server = net.createServer((socket) => void socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", (e) =>
      reject(new MeshError(Code.Unavailable, `Cannot start mesh "${folders.mesh}": it runs already`, {}, e)),
    );
    server.listen(lockName(folders), resolve);
  });
  return { [Symbol.dispose]: () => void server.close() };
}

const KILL_AFTER_MS = 15_000;

/**
 * Starts a mesh's daemon as the first process of a PID namespace, with mount and network namespaces of its own, and waits for
 * its end. The kernel then ends whatever is left inside, and this removes its sockets. If this process is killed, so is the
 * daemon.
 * @param o.output where the daemon's own output goes: a descriptor, or this process's
 * @param o.signal asks the daemon to end
 * @returns the daemon's exit code
 * @throws MeshError UNAVAILABLE when the mesh runs already, DENIED when the kernel forbids namespaces
 */
export async function keepMesh(o: {
  readonly options: DaemonOptions;
  readonly output: number | "inherit";
  readonly signal: AbortSignal;
}): Promise<number> {
  const { folders } = o.options;
  using _lock = await lockMesh(folders);
  removeRunFolder(folders);
  try {
    fs.mkdirSync(folders.run, { recursive: true, mode: 0o700 });
    const child = spawnDaemon(o.options, o.output);
    record(folders, child);
    return await ended(child, o.signal);
  } catch (e) {
    if (e instanceof Error && "code" in e && !MeshError.is(e))
      throw new MeshError(
        Code.Unavailable,
        `Cannot use state folder "${folders.state}": ${e.message}; it must be writable`,
        {},
        e,
      );
    throw e;
  } finally {
    removeRunFolder(folders);
  }
}

function spawnDaemon(options: DaemonOptions, output: number | "inherit"): ChildProcess {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const entry = new URL(`./daemon-main.${extension}`, import.meta.url).pathname;
  const source = extension === "ts" ? ["--conditions=lateen:source"] : [];
  const args = [...source, entry, JSON.stringify(options)];
  // A session of its own: the terminal's signals are for the keeper, which asks the daemon to end in order.
  const how: SpawnOptions = { stdio: ["pipe", output, output], detached: true, cwd: options.folders.state };
  if (process.getuid?.() !== 0) return spawn("unshare", [...USER_NAMESPACES, "--", process.execPath, ...args], how);
  using netns = createNetns();
  return spawnIn({ pid: "new", ipc: "new", netns: netns.fd, mounts: [] }, process.execPath, args, how);
}

/**
 * What an ordinary user's daemon gets: the same namespaces, inside a user namespace in which it is root. Another program enters
 * them, since a process of several threads cannot make itself a user namespace. It ends with its child, and its child with it.
 */
const USER_NAMESPACES = [
  "--user",
  "--map-root-user",
  "--pid",
  "--fork",
  "--kill-child=KILL",
  "--mount",
  "--net",
  "--ipc",
  "--uts",
] as const;

function record(folders: MeshFolders, child: ChildProcess): void {
  const text: KeeperRecord = { keeperPid: process.pid, daemonPid: child.pid ?? 0 };
  fs.writeFileSync(recordFile(folders), JSON.stringify(text), { mode: 0o600 });
}

function ended(child: ChildProcess, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = (): void => {
      child.kill("SIGTERM");
      timer ??= setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
    };
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    };
    child.once("error", (e) => {
      done();
      reject(new MeshError(Code.Unavailable, `Cannot start the mesh's daemon: ${e.message}`, {}, e));
    });
    child.once("exit", (code, by) => {
      done();
      if (by !== null) process.stderr.write(`the mesh's daemon was ended by ${by}\n`);
      resolve(code ?? 1);
    });
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}
