import type { SocketAddress } from "@lateen/addresses";
import { checkFd, checkInt } from "./checks.ts";
import * as k from "./constants.ts";
import { hotCalls } from "./hot-calls.ts";
import * as libc from "./libc.ts";
import { Memory, checkRange } from "./memory.ts";
import { native } from "./native.ts";
import { decodeInet, encodeInet } from "./sockaddr.ts";
import { EINTR } from "./system-error.ts";

// What a data thread asks of the kernel per chunk and per connection. No exception on the way of a byte: what fails with an
// errno answers with its negative, for the caller expects EAGAIN and ECONNRESET daily.

/**
 * Receives into `memory`.
 * @returns bytes received, 0 at the peer's end, or -errno
 */
export function recvInto(fd: number, memory: Memory, at: number, length: number): number {
  checkFd(fd);
  checkRange(memory, at, length);
  const calls = hotCalls();
  for (;;) {
    const n = calls.recv(fd, memory.address + at, length);
    if (n >= 0) return n;
    const errno = native().errno();
    if (errno !== EINTR) return -errno;
  }
}

/** @returns bytes taken by the kernel, or -errno. Never a signal */
export function sendFrom(fd: number, memory: Memory, at: number, length: number): number {
  checkFd(fd);
  checkRange(memory, at, length);
  const calls = hotCalls();
  for (;;) {
    const n = calls.send(fd, memory.address + at, length);
    if (n >= 0) return n;
    const errno = native().errno();
    if (errno !== EINTR) return -errno;
  }
}

const ADDRESS_BYTES = 28;
const LENGTH_AT = 32;
const VALUE_AT = 40;
let scratchOfThread: Memory | null = null;
/** An address (28 bytes), its length, and an option's value (8 bytes). */
const scratch = (): Memory => (scratchOfThread ??= new Memory(48));

/** The address that a call wrote into the scratch memory; null when it is none of IP. */
function writtenAddress(memory: Memory): SocketAddress | null {
  const length = Math.min(memory.bytes.readUInt32LE(LENGTH_AT), ADDRESS_BYTES);
  return decodeInet(memory.bytes.subarray(0, length));
}

/** A connection taken from a listener: a non-blocking, close-on-exec descriptor, the caller's. */
export interface Accepted {
  readonly fd: number;
  readonly remote: SocketAddress | null;
}

/** @returns the next waiting connection, or -errno (-EAGAIN when nobody waits) */
export function acceptStream(listener: number): Accepted | number {
  checkFd(listener);
  const calls = native();
  const memory = scratch();
  for (;;) {
    memory.bytes.writeUInt32LE(ADDRESS_BYTES, LENGTH_AT);
    const { address } = memory;
    const fd = calls.accept4(listener, address, address + LENGTH_AT, k.SOCK_NONBLOCK | k.SOCK_CLOEXEC);
    if (fd >= 0) return { fd, remote: writtenAddress(memory) };
    const errno = calls.errno();
    if (errno !== EINTR) return -errno;
  }
}

function addressOf(call: "getsockname" | "getpeername", fd: number): SocketAddress | null {
  checkFd(fd);
  const memory = scratch();
  memory.bytes.writeUInt32LE(ADDRESS_BYTES, LENGTH_AT);
  return native()[call](fd, memory.address, memory.address + LENGTH_AT) < 0 ? null : writtenAddress(memory);
}

/** The socket's own address; null when it is not an IP socket any more. */
export function localAddress(fd: number): SocketAddress | null {
  return addressOf("getsockname", fd);
}

/** The peer's address; null when it is not connected. */
export function remoteAddress(fd: number): SocketAddress | null {
  return addressOf("getpeername", fd);
}

/**
 * Begins to connect. @param family of the socket
 * @returns 0 when connected at once, -EINPROGRESS when it goes on, else -errno
 */
export function connectStream(fd: number, to: SocketAddress, family: "ipv4" | "ipv6"): number {
  checkFd(fd);
  const address = encodeInet(to, family);
  return native().connect(fd, address, address.length) < 0 ? -native().errno() : 0;
}

/** Takes the error that waits on the socket. @returns its errno, 0 for none */
export function takeError(fd: number): number {
  checkFd(fd);
  const { bytes, address } = scratch();
  bytes.writeUInt32LE(4, LENGTH_AT);
  if (native().getsockoptAt(fd, k.SOL_SOCKET, k.SO_ERROR, address + VALUE_AT, address + LENGTH_AT) < 0)
    return native().errno();
  return bytes.readInt32LE(VALUE_AT);
}

/** Ends our direction (FIN behind what was sent). @returns 0 or -errno */
export function endStream(fd: number): number {
  checkFd(fd);
  return native().shutdown(fd, k.SHUT_WR) < 0 ? -native().errno() : 0;
}

/** Two connected sockets of this process: non-blocking, close-on-exec descriptors, the caller's. */
export function streamPair(): readonly [number, number] {
  return libc.socketpair(k.AF_UNIX, k.SOCK_STREAM | k.SOCK_NONBLOCK | k.SOCK_CLOEXEC, 0);
}

/** Closes the descriptor and tears the connection down (RST), dropping what the kernel still holds. */
export function resetStream(fd: number): void {
  checkFd(fd);
  const { bytes, address } = scratch();
  bytes.writeInt32LE(1, VALUE_AT); // linger, for 0 seconds
  bytes.writeInt32LE(0, VALUE_AT + 4);
  native().setsockoptAt(fd, k.SOL_SOCKET, k.SO_LINGER, address + VALUE_AT, 8);
  libc.close(fd);
}

export function closeStream(fd: number): void {
  libc.close(fd);
}

/** Small writes leave at once. Connections inherit it from their listener. */
export function setNoDelay(fd: number): void {
  libc.setsockoptInt(fd, k.SOL_TCP, k.TCP_NODELAY, 1);
}

/** Stops or bounds what the kernel buffers for sending, instead of letting it grow. */
export function setSendBuffer(fd: number, bytes: number): void {
  checkInt("bytes", bytes);
  libc.setsockoptInt(fd, k.SOL_SOCKET, k.SO_SNDBUF, bytes);
}
