import * as k from "./constants.ts";
import * as libc from "./libc.ts";

/** Something mounted over a path that exists. */
export type MountPlan =
  /** The file or folder `source` appears at `target`. A replaced source file is not followed: write in place. */
  | { readonly t: "bind"; readonly source: string; readonly target: string; readonly readOnly: boolean }
  | { readonly t: "tmpfs"; readonly target: string; readonly maxBytes: number }
  /** The processes of the calling process's own PID namespace. */
  | { readonly t: "proc"; readonly target: string };

/** Makes `source` appear at `target`, with everything mounted below it. */
export function mountBind(source: string, target: string, mode: "read-write" | "read-only" = "read-write"): void {
  libc.mount({ source, target, flags: k.MS_BIND | k.MS_REC });
  if (mode === "read-only") libc.mount({ target, flags: k.MS_BIND | k.MS_REMOUNT | k.MS_RDONLY });
}

/** Mounts the process table of the caller's PID namespace: the first thing that a first process does. */
export function mountProc(target = "/proc"): void {
  libc.mount({ source: "proc", target, type: "proc", flags: k.MS_NOSUID | k.MS_NODEV | k.MS_NOEXEC });
}

/** Mounts an empty folder in memory. */
export function mountTmpfs(target: string, maxBytes: number): void {
  const data = `size=${Math.max(4096, Math.floor(maxBytes))},mode=0755`;
  libc.mount({ source: "tmpfs", target, type: "tmpfs", flags: k.MS_NOSUID | k.MS_NODEV, data });
}

/** Unmounts `target`, at once for new look-ups, for those who still use it when they are done. */
export function unmount(target: string): void {
  libc.umount(target, k.MNT_DETACH);
}

/** From here on mounts of this namespace stay in it; those of the parent still arrive. */
export function keepMountsInside(): void {
  libc.mount({ source: "none", target: "/", flags: k.MS_REC | k.MS_SLAVE });
}

export function mountAll(plans: readonly MountPlan[]): void {
  for (const p of plans) {
    if (p.t === "bind") mountBind(p.source, p.target, p.readOnly ? "read-only" : "read-write");
    else if (p.t === "tmpfs") mountTmpfs(p.target, p.maxBytes);
    else mountProc(p.target);
  }
}
