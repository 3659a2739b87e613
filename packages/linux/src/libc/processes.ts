import type { Buffer } from "node:buffer";
import { Code, MeshError } from "@lateen/errors";
import { checkFd, checkInt, cString } from "../checks.ts";
import { native } from "../native.ts";
import { retry } from "./retry.ts";

/** Moves the calling thread into the namespace behind `fd`. `kind` is the `CLONE_NEW*` it must be. Prefer `inNetns`. */
export function setns(fd: number, kind: number): void {
  checkFd(fd);
  checkInt("kind", kind);
  retry("setns", () => native().setns(fd, kind));
}

/** Gives the calling thread new namespaces. Prefer `withNamespaces`. */
export function unshare(flags: number): void {
  checkInt("flags", flags);
  retry("unshare", () => native().unshare(flags));
}

export interface MountRequest {
  readonly source?: string;
  readonly target: string;
  readonly type?: string;
  readonly flags: number;
  readonly data?: string;
}

export function mount(o: MountRequest): void {
  checkInt("flags", o.flags);
  const text = (s: string | undefined): Buffer | null => (s === undefined ? null : cString(s));
  const [source, target, type, data] = [text(o.source), cString(o.target), text(o.type), text(o.data)];
  retry("mount", () => native().mount(source, target, type, o.flags, data));
}

export function umount(target: string, flags = 0): void {
  checkInt("flags", flags);
  const name = cString(target);
  retry("umount2", () => native().umount2(name, flags));
}

/** Options whose argument is a number: parent-death signal, dumpable, subreaper, no-new-privileges. */
const PRCTL_NUMERIC: ReadonlySet<number> = new Set([1, 4, 36, 38]);

/** `prctl` with an integer argument. */
export function prctl(option: number, argument: number): number {
  if (!PRCTL_NUMERIC.has(option)) throw new MeshError(Code.Bug, `Cannot call prctl: option ${option} is not allowed`);
  checkInt("argument", argument);
  return retry("prctl", () => native().prctl(option, argument, 0, 0, 0));
}

/** @param signal its number; 0 only asks whether the process exists */
export function kill(pid: number, signal: number): void {
  checkInt("pid", pid);
  checkInt("signal", signal);
  retry("kill", () => native().kill(pid, signal));
}

/** @returns the index of the interface in the calling thread's network namespace, or null when there is none of that name */
export function interfaceIndex(name: string): number | null {
  const index = native().ifNameToIndex(cString(name));
  return index === 0 ? null : index;
}

/** Makes the directory behind the descriptor the calling thread's current one. */
export function fchdir(fd: number): void {
  checkFd(fd);
  retry("fchdir", () => native().fchdir(fd));
}

/** Makes `path` the root of the calling thread. */
export function chroot(path: string): void {
  const name = cString(path);
  retry("chroot", () => native().chroot(name));
}

const WNOHANG = 1;

/** Takes note that one child has ended, so that the kernel forgets it. @returns whether it had ended */
export function waitpid(pid: number): boolean {
  checkInt("pid", pid);
  if (pid <= 0) throw new MeshError(Code.Bug, `Cannot wait for process ${pid}: only for one by its number`);
  return retry("waitpid", () => native().waitpid(pid, null, WNOHANG)) === pid;
}

/** @returns a descriptor (close-on-exec) that stands for the process, and is readable once it has ended */
export function pidfdOpen(pid: number): number {
  checkInt("pid", pid);
  return retry("pidfd_open", () => native().pidfdOpen(pid));
}

export function pidfdSendSignal(pidfd: number, signal: number): void {
  checkFd(pidfd);
  checkInt("signal", signal);
  retry("pidfd_send_signal", () => native().pidfdSendSignal(pidfd, signal));
}
