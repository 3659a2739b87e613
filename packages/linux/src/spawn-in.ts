import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import process from "node:process";
import { Code, MeshError } from "@lateen/errors";
import * as k from "./constants.ts";
import * as libc from "./libc.ts";
import { type MountPlan, keepMountsInside, mountAll } from "./mounts.ts";
import { checkReturn, returnOrAbort } from "./namespaces.ts";

/** Namespaces for what starts while they are entered. What is left out stays the caller's. */
export interface NamespaceOptions {
  /** Descriptor of a network namespace. */
  readonly netns?: number;
  /** `new`: the first child becomes process 1 of a PID namespace, and the kernel ends all others in it when that one ends. */
  readonly pid?: "new";
  readonly ipc?: "new";
  readonly uts?: "new";
  /** A mount namespace of its own, with these on top of what is mounted now. */
  readonly mounts?: readonly MountPlan[];
}

const SIMPLE = { pid: k.CLONE_NEWPID, ipc: k.CLONE_NEWIPC, uts: k.CLONE_NEWUTS } as const;
const FILE = { pid: "pid_for_children", ipc: "ipc", uts: "uts", net: "net", mnt: "mnt" } as const;

type Undo = () => void;

/** Enters with `enter`, and gives back what leads home: the namespace that this thread is in now. */
function enterWith(file: string, kind: number, enter: () => void): Undo {
  const own = libc.open(`/proc/thread-self/ns/${file}`, k.O_RDONLY | k.O_CLOEXEC);
  try {
    checkReturn(own, kind);
    enter();
  } catch (e) {
    libc.close(own);
    throw e;
  }
  return () => {
    libc.setns(own, kind);
    libc.close(own);
  };
}

/** Where the thread's paths begin. Entering a mount namespace, even its own, loses it, so it is held and taken up again. */
function holdPlace(): { takeUp(): void; letGo(): void } {
  const root = libc.open("/", k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC);
  const folder = libc.open(".", k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC);
  return {
    takeUp() {
      libc.fchdir(root);
      libc.chroot(".");
      libc.fchdir(folder);
    },
    letGo() {
      libc.close(root);
      libc.close(folder);
    },
  };
}

function enterMounts(plans: readonly MountPlan[]): Undo {
  libc.unshare(k.CLONE_FS); // threads that share root and folder may not change their mount namespace
  const place = holdPlace();
  const undos: Undo[] = [];
  const undo = (): void => {
    for (const one of undos.reverse()) one();
    place.takeUp();
    place.letGo();
  };
  try {
    undos.push(
      enterWith(FILE.mnt, k.CLONE_NEWNS, () => {
        place.takeUp();
        libc.unshare(k.CLONE_NEWNS);
      }),
    );
    keepMountsInside();
    mountAll(plans);
  } catch (e) {
    returnOrAbort(undo);
    throw e;
  }
  return undo;
}

function enterAll(o: NamespaceOptions, undos: Undo[]): void {
  const { netns, mounts } = o;
  if (mounts !== undefined) undos.push(enterMounts(mounts));
  for (const kind of ["ipc", "uts", "pid"] as const)
    if (o[kind] === "new") undos.push(enterWith(FILE[kind], SIMPLE[kind], () => libc.unshare(SIMPLE[kind])));
  if (netns !== undefined) undos.push(enterWith(FILE.net, k.CLONE_NEWNET, () => libc.setns(netns, k.CLONE_NEWNET)));
}

/**
 * Runs `fn` with the calling thread (and what it spawns) in these namespaces, then takes the thread home; a thread that cannot get
 * home ends the process. With `mounts` the thread no longer shares its current folder with the process's other threads
 * afterwards, so `process.chdir` moves it alone. With `pid: "new"` the thread cannot start threads inside.
 * @param fn must be synchronous
 * @throws MeshError when a namespace cannot be entered; then nothing has changed
 */
export function withNamespaces<T>(o: NamespaceOptions, fn: () => T): T {
  const undos: Undo[] = [];
  try {
    enterAll(o, undos);
    return fn();
  } finally {
    for (const undo of undos.reverse()) returnOrAbort(undo);
  }
}

/**
 * `child_process.spawn` with the child in other namespaces; no other program is run for that.
 * @throws MeshError when a namespace cannot be entered; that the program cannot be run comes as the child's `error` event
 */
export function spawnIn(
  where: NamespaceOptions,
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  return withNamespaces(where, () => spawn(command, args, options));
}

const UNSHARE = {
  mount: k.CLONE_NEWNS,
  net: k.CLONE_NEWNET,
  pid: k.CLONE_NEWPID,
  ipc: k.CLONE_NEWIPC,
  uts: k.CLONE_NEWUTS,
} as const;

/** Gives the calling thread namespaces of its own for good. A new mount namespace keeps its mounts to itself. */
export function unshareThread(...kinds: readonly (keyof typeof UNSHARE)[]): void {
  libc.unshare(kinds.reduce((flags, kind) => flags | UNSHARE[kind], 0));
  if (kinds.includes("mount")) keepMountsInside();
}

const SIGKILL = 9;

/**
 * Lets the kernel end this process when the thread that spawned it ends, however that happens.
 * @param parent pid that the spawner told this process; it may be gone already, and then this throws
 * @throws MeshError UNAVAILABLE when the parent is another process by now
 */
export function dieWithParent(parent: number): void {
  libc.prctl(k.PR_SET_PDEATHSIG, SIGKILL);
  // Seen from inside a new PID namespace the parent is 0.
  if (process.ppid !== parent && process.ppid !== 0)
    throw new MeshError(Code.Unavailable, `Cannot follow process ${parent}: it has ended already`);
}

/** Makes this process adopt the orphans among its descendants. */
export function adoptOrphans(): void {
  libc.prctl(k.PR_SET_CHILD_SUBREAPER, 1);
}
