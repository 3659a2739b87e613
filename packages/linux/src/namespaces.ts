import fs from "node:fs";
import { Code, MeshError } from "@lateen/errors";
import { CLONE_NEWNET, O_CLOEXEC, O_RDONLY } from "./constants.ts";
import * as libc from "./libc.ts";
import { native } from "./native.ts";
import { errnoOf } from "./system-error.ts";

/** A network namespace held by its descriptor. It lives while any descriptor, process or mount holds it. */
export interface Netns extends Disposable {
  readonly fd: number;
  /** Equal for two descriptors exactly when they are of the same namespace. */
  readonly id: string;
}

function holder(fd: number): Netns {
  let open = true;
  return {
    fd,
    id: netnsId(fd),
    [Symbol.dispose]() {
      if (open) libc.close(fd);
      open = false;
    },
  };
}

/** Device and inode of a namespace: its identity (an inode number alone is used again). */
export function netnsId(fd: number): string {
  const s = fs.fstatSync(fd, { bigint: true });
  return `${s.dev}:${s.ino}`;
}

/** Opens the namespace behind a path such as `/proc/PID/ns/net` or `/proc/PID/fd/N`. The caller owns the result. */
export function openNetns(path: string): Netns {
  return holder(libc.open(path, O_RDONLY | O_CLOEXEC));
}

/** The namespace of the calling thread. The caller owns the result. */
export function currentNetns(): Netns {
  return openNetns("/proc/thread-self/ns/net");
}

/** Another descriptor of the same namespace, for someone who may outlive the first. The caller owns the result. */
export function duplicateNetns(fd: number): Netns {
  return holder(libc.dup(fd));
}

/** Undoes a namespace change. A thread that cannot get back would serve the wrong pod, so then the process ends. */
export function returnOrAbort(back: () => void): void {
  try {
    back();
  } catch (e) {
    fs.writeSync(2, `Cannot return to the thread's own namespace: ${MeshError.is(e) ? e.message : String(e)}\n`);
    native().abort();
  }
}

/**
 * Makes sure that the way back is open before leaving: in a user namespace the thread's own namespace may belong to somebody else.
 * Entering the namespace where the thread is already changes nothing, but asks the same permission.
 * @throws MeshError DENIED
 */
export function checkReturn(own: number, kind: number): void {
  try {
    libc.setns(own, kind);
  } catch (e) {
    throw new MeshError(
      Code.Denied,
      "Cannot leave the thread's namespace: there would be no way back (it belongs to another user namespace)",
      { errno: errnoOf(e) ?? "" },
      e,
    );
  }
}

/** A network namespace without a name, made and held by its descriptor alone. It has `lo`, which is down. */
export function createNetns(): Netns {
  using own = currentNetns();
  checkReturn(own.fd, CLONE_NEWNET);
  libc.unshare(CLONE_NEWNET);
  try {
    return currentNetns();
  } finally {
    returnOrAbort(() => libc.setns(own.fd, CLONE_NEWNET));
  }
}

/**
 * Runs `fn` with the calling thread inside the namespace, and returns its value. Sockets made by `fn` stay in that namespace.
 * @param fn must be synchronous: after an `await` the thread is home again
 */
export function inNetns<T>(fd: number, fn: () => T): T {
  using own = currentNetns();
  checkReturn(own.fd, CLONE_NEWNET);
  libc.setns(fd, CLONE_NEWNET);
  try {
    return fn();
  } finally {
    returnOrAbort(() => libc.setns(own.fd, CLONE_NEWNET));
  }
}

/**
 * A thread that often visits other namespaces and never moves itself: holds the way home open, so that a visit costs two calls.
 * Dispose of it before the thread ends.
 */
export class NetnsHome implements Disposable {
  readonly #own = currentNetns();
  #checked = false;

  /** As `inNetns`. */
  visit<T>(fd: number, fn: () => T): T {
    if (!this.#checked) checkReturn(this.#own.fd, CLONE_NEWNET);
    this.#checked = true;
    libc.setns(fd, CLONE_NEWNET);
    try {
      return fn();
    } finally {
      returnOrAbort(() => libc.setns(this.#own.fd, CLONE_NEWNET));
    }
  }

  [Symbol.dispose](): void {
    this.#own[Symbol.dispose]();
  }
}
