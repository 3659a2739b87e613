import { Buffer } from "node:buffer";
import { Code, MeshError } from "@lateen/errors";
import { checkBytes, checkFd, checkInt, cString } from "./checks.ts";
import { native } from "./native.ts";
import { EAGAIN, EINPROGRESS, EINTR, systemError } from "./system-error.ts";

// Typed doors to libc. Memory safety rests on three rules: a length is never a parameter, it is that of the view given; no
// address leaves this package; every number is checked to be one before C sees it.

/** Runs a call again while a signal interrupts it. */
function retry(name: string, run: () => number): number {
  for (;;) {
    const r = run();
    if (r >= 0) return r;
    const errno = native().errno();
    if (errno !== EINTR) throw systemError(name, errno);
  }
}

/** As `retry`, but `null` when the call would block. */
function retryOrBlock(name: string, run: () => number, also = EAGAIN): number | null {
  for (;;) {
    const r = run();
    if (r >= 0) return r;
    const errno = native().errno();
    if (errno === EAGAIN || errno === also) return null;
    if (errno !== EINTR) throw systemError(name, errno);
  }
}

const ADDRESS_BYTES = 128;
const HEADER_BYTES = 56;
const IOV_BYTES = 16;
const CONTROL_HEAD = 16;
/** SCM_MAX_FD of the kernel. */
const MAX_FDS = 253;
const CONTROL_BYTES = CONTROL_HEAD + 4 * 256;
const MAX_MESSAGE_BYTES = 65_536;

/** Memory whose address C is told. Allocated once per thread and referenced for the thread's life, so it never moves. */
interface Scratch {
  readonly bytes: Buffer;
  readonly base: number;
}
const AT = {
  address: 0,
  addressLength: ADDRESS_BYTES,
  header: ADDRESS_BYTES + 16,
  iov: ADDRESS_BYTES + 16 + HEADER_BYTES,
  control: ADDRESS_BYTES + 16 + HEADER_BYTES + IOV_BYTES,
  data: ADDRESS_BYTES + 16 + HEADER_BYTES + IOV_BYTES + CONTROL_BYTES,
} as const;

let scratchOfThread: Scratch | null = null;
function scratch(): Scratch {
  if (scratchOfThread !== null) return scratchOfThread;
  const bytes = Buffer.allocUnsafeSlow(AT.data + MAX_MESSAGE_BYTES).fill(0);
  return (scratchOfThread = { bytes, base: native().addressOf(bytes) });
}

const int = Buffer.allocUnsafeSlow(4);

/** @returns a new descriptor. Give `SOCK_CLOEXEC`, else children inherit it. */
export function socket(domain: number, type: number, protocol: number): number {
  checkInt("domain", domain);
  checkInt("type", type);
  checkInt("protocol", protocol);
  return retry("socket", () => native().socket(domain, type, protocol));
}

/** @returns two connected sockets */
export function socketpair(domain: number, type: number, protocol: number): readonly [number, number] {
  checkInt("domain", domain);
  checkInt("type", type);
  checkInt("protocol", protocol);
  const pair = Buffer.alloc(8);
  retry("socketpair", () => native().socketpair(domain, type, protocol, pair));
  return [pair.readInt32LE(0), pair.readInt32LE(4)];
}

/** Closes a descriptor. Never retried: after EINTR Linux has closed it already. */
export function close(fd: number): void {
  checkFd(fd);
  if (native().close(fd) >= 0) return;
  const errno = native().errno();
  if (errno !== EINTR) throw systemError("close", errno);
}

/** @param address encoded `sockaddr`, see `encodeInet`, `encodeUnix` */
export function bind(fd: number, address: Uint8Array): void {
  checkFd(fd);
  checkBytes("address", address, ADDRESS_BYTES);
  retry("bind", () => native().bind(fd, address, address.byteLength));
}

/** @returns `pending` when a non-blocking socket has begun but not finished */
export function connect(fd: number, address: Uint8Array): "connected" | "pending" {
  checkFd(fd);
  checkBytes("address", address, ADDRESS_BYTES);
  const r = retryOrBlock("connect", () => native().connect(fd, address, address.byteLength), EINPROGRESS);
  return r === null ? "pending" : "connected";
}

export function listen(fd: number, backlog: number): void {
  checkFd(fd);
  checkInt("backlog", backlog);
  retry("listen", () => native().listen(fd, backlog));
}

/** @returns a new descriptor, or null when nobody waits on a non-blocking listener */
export function accept4(fd: number, flags: number): number | null {
  checkFd(fd);
  checkInt("flags", flags);
  return retryOrBlock("accept4", () => native().accept4(fd, 0, 0, flags));
}

export function shutdown(fd: number, how: number): void {
  checkFd(fd);
  checkInt("how", how);
  retry("shutdown", () => native().shutdown(fd, how));
}

function readAddress(name: "getsockname" | "getpeername", fd: number): Buffer {
  checkFd(fd);
  const { bytes, base } = scratch();
  bytes.writeUInt32LE(ADDRESS_BYTES, AT.addressLength);
  retry(name, () => native()[name](fd, base + AT.address, base + AT.addressLength));
  return Buffer.from(bytes.subarray(0, Math.min(bytes.readUInt32LE(AT.addressLength), ADDRESS_BYTES)));
}

/** @returns the socket's own `sockaddr`, a copy */
export function getsockname(fd: number): Buffer {
  return readAddress("getsockname", fd);
}

/** @returns the peer's `sockaddr`, a copy */
export function getpeername(fd: number): Buffer {
  return readAddress("getpeername", fd);
}

export function setsockopt(fd: number, level: number, name: number, value: Uint8Array): void {
  checkFd(fd);
  checkInt("level", level);
  checkInt("name", name);
  checkBytes("value", value);
  retry("setsockopt", () => native().setsockopt(fd, level, name, value, value.byteLength));
}

/** `setsockopt` with an int. */
export function setsockoptInt(fd: number, level: number, name: number, value: number): void {
  checkFd(fd);
  checkInt("level", level);
  checkInt("name", name);
  checkInt("value", value);
  const { bytes, base } = scratch();
  bytes.writeInt32LE(value | 0, AT.address);
  retry("setsockopt", () => native().setsockoptAt(fd, level, name, base + AT.address, 4));
}

/** @returns how many bytes of `into` the kernel filled */
export function getsockopt(fd: number, level: number, name: number, into: Uint8Array): number {
  const r = tryGetsockopt(fd, level, name, into);
  if (r < 0) throw systemError("getsockopt", -r);
  return r;
}

/** As `getsockopt`, but a refusal is -errno: for questions that are often answered with no. */
export function tryGetsockopt(fd: number, level: number, name: number, into: Uint8Array): number {
  checkFd(fd);
  checkInt("level", level);
  checkInt("name", name);
  checkBytes("value", into);
  const { bytes, base } = scratch();
  bytes.writeUInt32LE(into.byteLength, AT.addressLength);
  if (native().getsockopt(fd, level, name, into, base + AT.addressLength) < 0) return -native().errno();
  return Math.min(bytes.readUInt32LE(AT.addressLength), into.byteLength);
}

/** `getsockopt` of an int. */
export function getsockoptInt(fd: number, level: number, name: number): number {
  getsockopt(fd, level, name, int);
  return int.readInt32LE(0);
}

/** @returns bytes taken by the kernel, or null when it would block */
export function send(fd: number, data: Uint8Array, flags = 0): number | null {
  checkFd(fd);
  checkBytes("data", data);
  checkInt("flags", flags);
  return retryOrBlock("send", () => native().send(fd, data, data.byteLength, flags));
}

/** @returns bytes taken by the kernel, or null when it would block */
export function sendto(fd: number, data: Uint8Array, flags: number, to: Uint8Array): number | null {
  checkFd(fd);
  checkBytes("data", data);
  checkInt("flags", flags);
  checkBytes("address", to, ADDRESS_BYTES);
  return retryOrBlock("sendto", () => native().sendto(fd, data, data.byteLength, flags, to, to.byteLength));
}

/**
 * @returns bytes received (with `MSG_TRUNC` in `flags`: the message's real length, which can exceed `into`), 0 at the end of a
 * stream, or null when it would block
 */
export function recv(fd: number, into: Uint8Array, flags = 0): number | null {
  checkFd(fd);
  checkBytes("buffer", into);
  checkInt("flags", flags);
  return retryOrBlock("recv", () => native().recv(fd, into, into.byteLength, flags));
}

/** As `recv`, with the sender's `sockaddr` (a copy). */
export function recvfrom(fd: number, into: Uint8Array, flags: number): { length: number; from: Buffer } | null {
  checkFd(fd);
  checkBytes("buffer", into);
  checkInt("flags", flags);
  const { bytes, base } = scratch();
  bytes.writeUInt32LE(ADDRESS_BYTES, AT.addressLength);
  const length = retryOrBlock("recvfrom", () =>
    native().recvfrom(fd, into, into.byteLength, flags, base + AT.address, base + AT.addressLength),
  );
  if (length === null) return null;
  const from = bytes.subarray(AT.address, Math.min(bytes.readUInt32LE(AT.addressLength), ADDRESS_BYTES));
  return { length, from: Buffer.from(from) };
}

function writeHeader(s: Scratch, dataBytes: number, controlBytes: number): void {
  const { bytes, base } = s;
  bytes.fill(0, AT.header, AT.control);
  bytes.writeBigUInt64LE(BigInt(base + AT.iov), AT.header + 16);
  bytes.writeBigUInt64LE(1n, AT.header + 24);
  if (controlBytes > 0) bytes.writeBigUInt64LE(BigInt(base + AT.control), AT.header + 32);
  bytes.writeBigUInt64LE(BigInt(controlBytes), AT.header + 40);
  bytes.writeBigUInt64LE(BigInt(base + AT.data), AT.iov);
  bytes.writeBigUInt64LE(BigInt(dataBytes), AT.iov + 8);
}

/** cmsghdr and CMSG_SPACE round up to 8. */
const align8 = (n: number): number => (n + 7) & ~7;

/**
 * Sends one message with descriptors on a unix socket. The descriptors stay the caller's.
 * @returns bytes taken, or null when it would block
 */
export function sendmsg(fd: number, data: Uint8Array, fds: readonly number[] = [], flags = 0): number | null {
  checkFd(fd);
  checkBytes("data", data, MAX_MESSAGE_BYTES);
  checkInt("flags", flags);
  if (fds.length > MAX_FDS) throw new MeshError(Code.Bug, `Cannot send ${fds.length} descriptors: at most ${MAX_FDS}`);
  fds.forEach(checkFd);
  const s = scratch();
  s.bytes.set(data, AT.data);
  writeHeader(s, data.byteLength, fds.length === 0 ? 0 : align8(CONTROL_HEAD + 4 * fds.length));
  s.bytes.writeBigUInt64LE(BigInt(CONTROL_HEAD + 4 * fds.length), AT.control);
  s.bytes.writeInt32LE(1, AT.control + 8); // SOL_SOCKET
  s.bytes.writeInt32LE(1, AT.control + 12); // SCM_RIGHTS
  fds.forEach((n, i) => s.bytes.writeInt32LE(n, AT.control + CONTROL_HEAD + 4 * i));
  return retryOrBlock("sendmsg", () => native().sendmsg(fd, s.base + AT.header, flags));
}

export interface Received {
  /** Bytes written to the buffer given. */
  readonly length: number;
  /** Descriptors that came along; the caller owns them. */
  readonly fds: readonly number[];
  /** The message was longer than the buffer: its rest is lost. */
  readonly truncated: boolean;
  /** More ancillary data came than fits: some descriptors are lost. */
  readonly controlTruncated: boolean;
}

/** Descriptors of the SCM_RIGHTS messages in the kernel's answer. Reads only inside `control`. */
function readFds(control: Buffer): number[] {
  const fds: number[] = [];
  for (let at = 0; at + CONTROL_HEAD <= control.length;) {
    const length = Number(control.readBigUInt64LE(at));
    if (length < CONTROL_HEAD || at + length > control.length) break;
    const isRights = control.readInt32LE(at + 8) === 1 && control.readInt32LE(at + 12) === 1;
    for (let i = at + CONTROL_HEAD; isRights && i + 4 <= at + length; i += 4) fds.push(control.readInt32LE(i));
    at += align8(length);
  }
  return fds;
}

/**
 * Receives one message and its descriptors (close-on-exec when `flags` has `MSG_CMSG_CLOEXEC`).
 * @param into at most 64 KiB
 * @param maxFds room for descriptors, 0..253; the kernel rounds up to a pair
 * @returns null when it would block; length 0 without descriptors also at the end
 */
export function recvmsg(fd: number, into: Uint8Array, maxFds: number, flags = 0): Received | null {
  checkFd(fd);
  checkBytes("buffer", into, MAX_MESSAGE_BYTES);
  checkInt("flags", flags);
  if (!Number.isInteger(maxFds) || maxFds < 0 || maxFds > MAX_FDS)
    throw new MeshError(Code.Bug, `Cannot receive: room for ${maxFds} descriptors, at most ${MAX_FDS}`);
  const s = scratch();
  const room = maxFds === 0 ? 0 : align8(CONTROL_HEAD + 4 * maxFds);
  writeHeader(s, into.byteLength, room);
  const r = retryOrBlock("recvmsg", () => native().recvmsg(fd, s.base + AT.header, flags));
  if (r === null) return null;
  const length = Math.min(r, into.byteLength);
  into.set(s.bytes.subarray(AT.data, AT.data + length));
  const used = Math.min(Number(s.bytes.readBigUInt64LE(AT.header + 40)), room);
  const answered = s.bytes.readInt32LE(AT.header + 48);
  return {
    length,
    fds: readFds(s.bytes.subarray(AT.control, AT.control + used)),
    truncated: (answered & 0x20) !== 0,
    controlTruncated: (answered & 0x8) !== 0,
  };
}

/** @returns a new descriptor. Give `O_CLOEXEC`, else children inherit it. */
export function open(path: string, flags: number, mode = 0): number {
  checkInt("flags", flags);
  checkInt("mode", mode);
  const name = cString(path);
  try {
    return retry("open", () => native().open(name, flags, mode));
  } catch (e) {
    if (!MeshError.is(e) || typeof e.facts["number"] !== "number") throw e;
    throw systemError("open", e.facts["number"], `open "${path}"`);
  }
}

/** @returns bytes read, 0 at the end, null when it would block */
export function read(fd: number, into: Uint8Array): number | null {
  checkFd(fd);
  checkBytes("buffer", into);
  return retryOrBlock("read", () => native().read(fd, into, into.byteLength));
}

/** @returns bytes written, null when it would block */
export function write(fd: number, data: Uint8Array): number | null {
  checkFd(fd);
  checkBytes("data", data);
  return retryOrBlock("write", () => native().write(fd, data, data.byteLength));
}

/** Commands whose argument is a number; the others take an address. */
const FCNTL_NUMERIC: ReadonlySet<number> = new Set([1, 2, 3, 4, 1030, 1031, 1032, 1033, 1034]);

/** `fcntl` with an integer argument: descriptor and status flags, duplication, pipe size, seals. */
export function fcntl(fd: number, command: number, argument = 0): number {
  checkFd(fd);
  if (!FCNTL_NUMERIC.has(command))
    throw new MeshError(Code.Bug, `Cannot call fcntl: command ${command} is not allowed`);
  checkInt("argument", argument);
  return retry("fcntl", () => native().fcntl(fd, command, argument));
}

/** @returns a copy of the descriptor that children do not inherit */
export function dup(fd: number): number {
  return fcntl(fd, 1030, 0); // F_DUPFD_CLOEXEC
}

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

export interface PollItem {
  readonly fd: number;
  readonly events: number;
}

/** Waits on at most 1024 descriptors, holding up the thread. @returns the events that happened, in the order given */
export function poll(items: readonly PollItem[], timeoutMs: number): number[] {
  checkInt("timeoutMs", timeoutMs);
  if (items.length > 1024) throw new MeshError(Code.Bug, `Cannot poll ${items.length} descriptors: at most 1024`);
  const list = Buffer.alloc(8 * items.length);
  items.forEach(({ fd, events }, i) => {
    checkFd(fd);
    checkInt("events", events);
    list.writeInt32LE(fd, 8 * i);
    list.writeInt16LE(events, 8 * i + 4);
  });
  retry("poll", () => native().poll(list, items.length, timeoutMs));
  return items.map((_, i) => list.readInt16LE(8 * i + 6));
}
