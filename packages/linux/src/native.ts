import { createRequire } from "node:module";
import os from "node:os";
import process from "node:process";
import { Code, MeshError } from "@lateen/errors";
import type * as KoffiModule from "koffi";

/** Memory given to C: a view, whose length the caller of this file has checked, or NULL. */
export type Bytes = Uint8Array | null;

type Done = (result: number) => void;

/** The C functions in use. Every pointer is either a view (`Bytes`) or an address inside this module's own scratch memory. */
export interface Native {
  readonly errno: () => number;
  readonly addressOf: (view: Uint8Array) => number;
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly socketpair: (domain: number, type: number, protocol: number, pair: Bytes) => number;
  readonly bind: (fd: number, address: Bytes, length: number) => number;
  readonly connect: (fd: number, address: Bytes, length: number) => number;
  readonly listen: (fd: number, backlog: number) => number;
  readonly accept4: (fd: number, address: number, length: number, flags: number) => number;
  readonly shutdown: (fd: number, how: number) => number;
  readonly getsockname: (fd: number, address: number, length: number) => number;
  readonly getpeername: (fd: number, address: number, length: number) => number;
  readonly getsockopt: (fd: number, level: number, name: number, value: Bytes, length: number) => number;
  readonly setsockopt: (fd: number, level: number, name: number, value: Bytes, length: number) => number;
  readonly send: (fd: number, data: Bytes, length: number, flags: number) => number;
  readonly sendto: (fd: number, d: Bytes, length: number, flags: number, to: Bytes, toLength: number) => number;
  readonly recv: (fd: number, data: Bytes, length: number, flags: number) => number;
  readonly recvfrom: (fd: number, d: Bytes, length: number, flags: number, from: number, fromLength: number) => number;
  readonly getsockoptAt: (fd: number, level: number, name: number, value: number, length: number) => number;
  readonly setsockoptAt: (fd: number, level: number, name: number, value: number, length: number) => number;
  readonly sendmsg: (fd: number, header: number, flags: number) => number;
  readonly recvmsg: (fd: number, header: number, flags: number) => number;
  readonly open: (path: Bytes, flags: number, mode: number) => number;
  readonly close: (fd: number) => number;
  readonly read: (fd: number, data: Bytes, length: number) => number;
  readonly write: (fd: number, data: Bytes, length: number) => number;
  readonly fcntl: (fd: number, command: number, argument: number) => number;
  readonly dup: (fd: number) => number;
  readonly poll: (fds: Bytes, count: number, timeoutMs: number) => number;
  readonly epollCreate: (flags: number) => number;
  readonly epollCtl: (epoll: number, operation: number, fd: number, event: Bytes) => number;
  readonly epollWait: (epoll: number, events: Bytes, count: number, timeoutMs: number) => number;
  readonly epollCtlAt: (epoll: number, operation: number, fd: number, event: number) => number;
  /** In a thread of the runtime's pool; `done` gets the result, -1 on any error. */
  readonly epollWaitInPool: (e: number, events: number, count: number, timeoutMs: number, done: Done) => void;
  readonly eventfd: (initial: number, flags: number) => number;
  readonly timerfdCreate: (clock: number, flags: number) => number;
  readonly timerfdSettime: (fd: number, flags: number, value: number, old: number) => number;
  readonly memfdCreate: (name: Bytes, flags: number) => number;
  readonly setns: (fd: number, kind: number) => number;
  readonly unshare: (flags: number) => number;
  readonly mount: (source: Bytes, target: Bytes, type: Bytes, flags: number, data: Bytes) => number;
  readonly umount2: (target: Bytes, flags: number) => number;
  readonly chroot: (path: Bytes) => number;
  readonly fchdir: (fd: number) => number;
  readonly prctl: (option: number, a: number, b: number, c: number, d: number) => number;
  readonly prctlName: (option: number, name: Bytes) => number;
  readonly ifNameToIndex: (name: Bytes) => number;
  readonly kill: (pid: number, signal: number) => number;
  readonly waitpid: (pid: number, status: Bytes, options: number) => number;
  readonly pidfdOpen: (pid: number) => number;
  readonly pidfdSendSignal: (pidfd: number, signal: number) => number;
  /** Of the calling thread. */
  readonly schedGetattr: (attributes: number, bytes: number) => number;
  readonly schedSetattr: (attributes: number) => number;
  readonly clockGettime: (clock: number, time: number) => number;
  /** glibc's; elsewhere it does nothing. */
  readonly mallocTrim: (keep: number) => number;
  readonly madvise: (address: number, length: number, advice: number) => number;
  readonly abort: () => void;
}

type Koffi = Pick<
  typeof KoffiModule,
  "load" | "errno" | "address" | "proto" | "pointer" | "decode" | "register" | "unregister"
>;

/** The C library has no function for these two, and their numbers differ between machines. */
const SYS_SCHED_SETATTR = { x64: 314, arm64: 274 };
const SYS_SCHED_GETATTR = { x64: 315, arm64: 275 };
const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;

function whyNot(): string | null {
  if (process.platform !== "linux") return `it needs Linux, this is "${process.platform}"`;
  if (process.arch !== "x64" && process.arch !== "arm64") return `it needs x64 or arm64, this is "${process.arch}"`;
  if (os.endianness() !== "LE") return "it needs a little-endian machine";
  return null;
}

/**
 * The door to C, for the tables of functions in this package and nothing else.
 * @throws MeshError UNAVAILABLE where this is not Linux on x64 or arm64
 */
export function openKoffi(): Koffi {
  const why = whyNot();
  if (why !== null) throw new MeshError(Code.Unavailable, `Cannot call the kernel: ${why}`);
  try {
    return createRequire(import.meta.url)("koffi") as Koffi;
  } catch (e) {
    throw new MeshError(Code.Unavailable, "Cannot call the kernel: koffi's binary for this platform is missing", {}, e);
  }
}

function hasSymbol(library: ReturnType<Koffi["load"]>, name: string): boolean {
  try {
    library.func(name, "void", []);
    return true;
  } catch {
    return false; // koffi says so by an exception
  }
}

function bindAll(): Native {
  const koffi = openKoffi();
  const libc = koffi.load(null);
  const f = (name: string, result: string, ...args: string[]) => libc.func(name, result, args);
  const pidfdOpen = f("syscall", "int64", "int64", "int", "uint");
  const pidfdSignal = f("syscall", "int64", "int64", "int", "int", "uint64", "uint");
  const schedGetattr = f("syscall", "int64", "int64", "int", "uint64", "uint", "uint");
  const schedSetattr = f("syscall", "int64", "int64", "int", "uint64", "uint");
  const machine = process.arch === "arm64" ? "arm64" : "x64"; // one of the two, as `openKoffi` has seen to
  const epollWaitAt = f("epoll_wait", "int", "int", "uint64", "int", "int");
  return {
    errno: () => koffi.errno(),
    addressOf: (view) => Number(koffi.address(view)),
    socket: f("socket", "int", "int", "int", "int"),
    socketpair: f("socketpair", "int", "int", "int", "int", "void *"),
    bind: f("bind", "int", "int", "void *", "uint"),
    connect: f("connect", "int", "int", "void *", "uint"),
    listen: f("listen", "int", "int", "int"),
    accept4: f("accept4", "int", "int", "uint64", "uint64", "int"),
    shutdown: f("shutdown", "int", "int", "int"),
    getsockname: f("getsockname", "int", "int", "uint64", "uint64"),
    getpeername: f("getpeername", "int", "int", "uint64", "uint64"),
    getsockopt: f("getsockopt", "int", "int", "int", "int", "void *", "uint64"),
    setsockopt: f("setsockopt", "int", "int", "int", "int", "void *", "uint"),
    send: f("send", "int64", "int", "void *", "uint64", "int"),
    sendto: f("sendto", "int64", "int", "void *", "uint64", "int", "void *", "uint"),
    recv: f("recv", "int64", "int", "void *", "uint64", "int"),
    recvfrom: f("recvfrom", "int64", "int", "void *", "uint64", "int", "uint64", "uint64"),
    getsockoptAt: f("getsockopt", "int", "int", "int", "int", "uint64", "uint64"),
    setsockoptAt: f("setsockopt", "int", "int", "int", "int", "uint64", "uint"),
    sendmsg: f("sendmsg", "int64", "int", "uint64", "int"),
    recvmsg: f("recvmsg", "int64", "int", "uint64", "int"),
    open: f("open", "int", "void *", "int", "uint"),
    close: f("close", "int", "int"),
    read: f("read", "int64", "int", "void *", "uint64"),
    write: f("write", "int64", "int", "void *", "uint64"),
    fcntl: f("fcntl", "int", "int", "int", "int64"),
    dup: f("dup", "int", "int"),
    poll: f("poll", "int", "void *", "uint64", "int"),
    epollCreate: f("epoll_create1", "int", "int"),
    epollCtl: f("epoll_ctl", "int", "int", "int", "int", "void *"),
    epollWait: f("epoll_wait", "int", "int", "void *", "int", "int"),
    epollCtlAt: f("epoll_ctl", "int", "int", "int", "int", "uint64"),
    epollWaitInPool: (epoll, events, count, timeoutMs, done) =>
      epollWaitAt.async(epoll, events, count, timeoutMs, (error: unknown, n: number) => done(error ? -1 : n)),
    eventfd: f("eventfd", "int", "uint", "int"),
    timerfdCreate: f("timerfd_create", "int", "int", "int"),
    timerfdSettime: f("timerfd_settime", "int", "int", "int", "uint64", "uint64"),
    memfdCreate: f("memfd_create", "int", "void *", "uint"),
    setns: f("setns", "int", "int", "int"),
    unshare: f("unshare", "int", "int"),
    mount: f("mount", "int", "void *", "void *", "void *", "uint64", "void *"),
    umount2: f("umount2", "int", "void *", "int"),
    chroot: f("chroot", "int", "void *"),
    fchdir: f("fchdir", "int", "int"),
    prctl: f("prctl", "int", "int", "uint64", "uint64", "uint64", "uint64"),
    prctlName: f("prctl", "int", "int", "void *"),
    ifNameToIndex: f("if_nametoindex", "uint", "void *"),
    kill: f("kill", "int", "int", "int"),
    waitpid: f("waitpid", "int", "int", "void *", "int"),
    pidfdOpen: (pid) => Number(pidfdOpen(SYS_PIDFD_OPEN, pid, 0)),
    pidfdSendSignal: (fd, signal) => Number(pidfdSignal(SYS_PIDFD_SEND_SIGNAL, fd, signal, 0, 0)),
    schedGetattr: (at, bytes) => Number(schedGetattr(SYS_SCHED_GETATTR[machine], 0, at, bytes, 0)),
    schedSetattr: (at) => Number(schedSetattr(SYS_SCHED_SETATTR[machine], 0, at, 0)),
    clockGettime: f("clock_gettime", "int", "int", "uint64"),
    mallocTrim: hasSymbol(libc, "malloc_trim") ? f("malloc_trim", "int", "uint64") : () => 0,
    madvise: f("madvise", "int", "uint64", "uint64", "int"),
    abort: f("abort", "void"),
  };
}

/** Where a function of the C library, or of the OpenSSL inside Node's binary, lies. */
export function symbolAddress(name: string): number {
  return Number(openKoffi().load(null).symbol(name));
}

let bound: Native | null = null;

/**
 * libc, bound at the first call so that importing this package anywhere does nothing. One table per thread, for its life.
 * @throws MeshError UNAVAILABLE where this is not Linux on x64 or arm64
 */
export function native(): Native {
  return (bound ??= bindAll());
}
