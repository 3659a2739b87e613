import { Buffer } from "node:buffer";
import { type SocketAddress, ipFamily } from "@lateen/addresses";
import type { ConnectOptions, ListenOptions, SocketFactory } from "@lateen/datapath";
import { MeshError } from "@lateen/errors";
import * as k from "./constants.ts";
import * as libc from "./libc.ts";
import { isErrno } from "./netlink/netlink-socket.ts";
import { NetnsHome, inNetns } from "./namespaces.ts";
import { decodeInet, encodeInet } from "./sockaddr.ts";
import { systemError } from "./system-error.ts";

const STREAM = k.SOCK_STREAM | k.SOCK_NONBLOCK | k.SOCK_CLOEXEC;

/** Runs something inside a namespace. */
type Visit = (netns: number, fn: () => number) => number;

/** A socket keeps the namespace it was made in for life, so only `socket()` itself runs inside. */
function streamSocket(visit: Visit, netns: number | null, domain: number): number {
  return netns === null ? libc.socket(domain, STREAM, 0) : visit(netns, () => libc.socket(domain, STREAM, 0));
}

/** Runs `prepare`, and closes the socket if that fails. */
function prepared<T>(fd: number, prepare: () => T): T {
  try {
    return prepare();
  } catch (e) {
    libc.close(fd);
    throw e;
  }
}

/** The congestion control that every kernel has and every process may choose. It does not pace. */
const RENO = Buffer.from("reno");

/**
 * BBR, the default of many machines, paces by a timer for each 64 KiB, also where no wire is: 3 to 15 % of the CPU per byte of two
 * proxies. What is accepted has it from its listener.
 */
function unpaced(fd: number): void {
  libc.trySetsockopt(fd, k.SOL_TCP, k.TCP_CONGESTION, RENO);
}

function commonOptions(fd: number, o: Pick<ListenOptions, "mark" | "keepAlive" | "sameNamespace">): void {
  if (o.mark !== 0) libc.setsockoptInt(fd, k.SOL_SOCKET, k.SO_MARK, o.mark);
  if (o.sameNamespace === true) unpaced(fd);
  if (o.keepAlive === null) return;
  libc.setsockoptInt(fd, k.SOL_SOCKET, k.SO_KEEPALIVE, 1);
  libc.setsockoptInt(fd, k.SOL_TCP, k.TCP_KEEPIDLE, o.keepAlive.idleSec);
  libc.setsockoptInt(fd, k.SOL_TCP, k.TCP_KEEPINTVL, o.keepAlive.intervalSec);
  libc.setsockoptInt(fd, k.SOL_TCP, k.TCP_KEEPCNT, o.keepAlive.probes);
  if (o.keepAlive.userTimeout !== true) return;
  const seconds = o.keepAlive.idleSec + o.keepAlive.probes * o.keepAlive.intervalSec;
  libc.setsockoptInt(fd, k.SOL_TCP, k.TCP_USER_TIMEOUT, Math.min(seconds * 1_000, 0x7fff_ffff));
}

/** IPV6_TRANSPARENT sets the same bit of the socket as IP_TRANSPARENT, so a dual-stack socket needs one of the two. */
function setTransparent(fd: number, family: "ipv4" | "ipv6"): void {
  if (family === "ipv4") libc.setsockoptInt(fd, k.SOL_IP, k.IP_TRANSPARENT, 1);
  else libc.setsockoptInt(fd, k.SOL_IPV6, k.IPV6_TRANSPARENT, 1);
}

function tryTransparent(fd: number, family: "ipv4" | "ipv6", mode: ListenOptions["transparent"]): boolean {
  if (mode === "off") return false;
  try {
    setTransparent(fd, family);
    return true;
  } catch (e) {
    if (mode === "required" || !MeshError.is(e)) throw e;
    return false;
  }
}

/** Makes an error of a listener say which. */
function named<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (e) {
    if (!MeshError.is(e) || typeof e.facts["number"] !== "number") throw e;
    throw systemError(String(e.facts["syscall"]), e.facts["number"], what);
  }
}

function listener(visit: Visit, o: ListenOptions): { readonly fd: number; readonly transparent: boolean } {
  const family = ipFamily(o.address.ip);
  return named(`listen on ${o.address.ip} port ${o.address.port}`, () => {
    const fd = streamSocket(visit, o.netns, family === "ipv4" ? k.AF_INET : k.AF_INET6);
    return prepared(fd, () => {
      commonOptions(fd, o);
      if (family === "ipv6") libc.setsockoptInt(fd, k.SOL_IPV6, k.IPV6_V6ONLY, o.dualStack ? 0 : 1);
      libc.setsockoptInt(fd, k.SOL_SOCKET, o.reusePort ? k.SO_REUSEPORT : k.SO_REUSEADDR, 1);
      const transparent = tryTransparent(fd, family, o.transparent);
      libc.bind(fd, encodeInet(o.address, family));
      libc.listen(fd, o.backlog);
      return { fd, transparent };
    });
  });
}

/**
 * Lets the socket send from an address that is not the pod's, and from one of these ports if one is free. The kernel's choice of a
 * port is made at connect, per destination.
 */
function bindSource(fd: number, from: string, ports: readonly number[], family: "ipv4" | "ipv6"): void {
  setTransparent(fd, family);
  if (family === "ipv4") libc.setsockoptInt(fd, k.SOL_IP, k.IP_FREEBIND, 1);
  else libc.setsockoptInt(fd, k.SOL_IPV6, k.IPV6_FREEBIND, 1);
  if (ports.some((port) => isBound(fd, encodeInet({ ip: from, port }, family)))) return;
  libc.setsockoptInt(fd, k.SOL_IP, k.IP_BIND_ADDRESS_NO_PORT, 1);
  libc.bind(fd, encodeInet({ ip: from, port: 0 }, family));
}

/** @returns false when somebody has that port */
function isBound(fd: number, address: Uint8Array): boolean {
  try {
    libc.bind(fd, address);
    return true;
  } catch (e) {
    if (isErrno(e, "EADDRINUSE")) return false;
    throw e;
  }
}

/** Tells a source address that cannot be had from whatever else can fail. */
function sourceRefused(source: string, run: () => void): void {
  try {
    run();
  } catch (e) {
    if (!MeshError.is(e)) throw e;
    throw new MeshError(e.code, e.message, { ...e.facts, source }, e);
  }
}

function client(visit: Visit, o: ConnectOptions): number {
  const family = ipFamily(o.to.ip);
  const fd = streamSocket(visit, o.netns, family === "ipv4" ? k.AF_INET : k.AF_INET6);
  return prepared(fd, () => {
    commonOptions(fd, o);
    libc.setsockoptInt(fd, k.SOL_TCP, k.TCP_NODELAY, 1);
    if (o.from !== null) sourceRefused(o.from, () => bindSource(fd, o.from ?? "", o.fromPorts ?? [], family));
    return fd;
  });
}

const wanted = Buffer.allocUnsafeSlow(28);

const EBADF = 9;
const ENOTSOCK = 88;

/** @returns null when the connection was not redirected, or conntrack does not know it */
function askOriginal(fd: number, level: number, name: number): SocketAddress | null {
  const length = libc.tryGetsockopt(fd, level, name, wanted);
  if (length === -EBADF || length === -ENOTSOCK) throw systemError("getsockopt", -length);
  return length < 0 ? null : decodeInet(wanted.subarray(0, length));
}

/** IPv4 first, as a v4-mapped connection answers there; the kernel refuses the question of the other family. */
function originalDestination(fd: number): SocketAddress | null {
  return askOriginal(fd, k.SOL_IP, k.SO_ORIGINAL_DST) ?? askOriginal(fd, k.SOL_IPV6, k.IP6T_SO_ORIGINAL_DST);
}

/**
 * Sockets of the data plane, made inside pods' namespaces. Descriptors are non-blocking, close-on-exec and the caller's: Node
 * takes them with `new net.Socket({ fd, manualStart: true })` and `net.createServer().listen({ fd })`. Usable in any thread.
 * Its functions throw MeshError UNAVAILABLE (or DENIED, without privilege) whose message names the address.
 * @see the data-plane contract, sections 4.2 to 4.4
 */
export const socketFactory: SocketFactory = {
  listener: (o) => listener(inNetns, o),
  client: (o) => client(inNetns, o),
  originalDestination,
};

/** The same for a thread that makes many and never changes its own namespace. Dispose of it before the thread ends. */
export function threadSocketFactory(): SocketFactory & Disposable {
  const home = new NetnsHome();
  const visit: Visit = (netns, fn) => home.visit(netns, fn);
  return {
    listener: (o) => listener(visit, o),
    client: (o) => client(visit, o),
    originalDestination,
    [Symbol.dispose]: () => home[Symbol.dispose](),
  };
}
