import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { type MountPlan, withNamespaces } from "@lateen/linux";

/** What a process of a pod finds around it. */
export interface PodPlace {
  readonly netns: number;
  readonly netnsId: string;
  readonly hostname: string;
  readonly mounts: readonly MountPlan[];
}

export interface PodCommand {
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly stdio: SpawnOptions["stdio"];
}

/**
 * Starts a process in a pod: its network, its own hosts file and host name; everything else is the machine's. It leads a
 * process group of its own.
 * @throws MeshError when the namespaces cannot be entered; a command that does not exist comes as the child's `error` event
 */
export function spawnInPod(place: PodPlace, command: PodCommand): ChildProcess {
  const [file, ...args] = command.argv;
  return withNamespaces({ netns: place.netns, uts: "new", mounts: place.mounts }, () => {
    setHostname(place.hostname);
    return spawn(file, args, {
      cwd: command.cwd,
      env: { ...command.env, HOSTNAME: place.hostname },
      stdio: command.stdio ?? "ignore",
      detached: true,
    });
  });
}

/** Inside a user namespace the file belongs to the machine's root: then the pod keeps the machine's name. */
function setHostname(name: string): void {
  try {
    fs.writeFileSync("/proc/sys/kernel/hostname", name.slice(0, 64));
  } catch {
    return; // see above
  }
}

/** Processes whose network is the namespace `netnsId`, apart from those in `except`: threads of proxies visit it too. */
export function processesIn(netnsId: string, except: ReadonlySet<number>): readonly number[] {
  const found: number[] = [];
  for (const name of fs.readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid <= 1 || except.has(pid)) continue;
    const ns = fs.statSync(`/proc/${name}/ns/net`, { bigint: true, throwIfNoEntry: false });
    if (ns !== undefined && `${ns.dev}:${ns.ino}` === netnsId) found.push(pid);
  }
  return found;
}

/** Sends a signal to each process; one that has ended meanwhile is fine. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      continue; // it has ended
    }
  }
}

/** PATH for processes of a mesh: the Node that runs the mesh goes first, so `node` is always there and always the same. */
export function meshPath(env: Readonly<Record<string, string | undefined>>): string {
  const own = path.dirname(process.execPath);
  const rest = (env["PATH"] ?? "").split(":").filter((p) => p !== "" && p !== own);
  return [
    own,
    ...(rest.length === 0 ? ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"] : rest),
  ].join(":");
}
