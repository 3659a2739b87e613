import { Buffer } from "node:buffer";
import { checkBytes, checkFd, checkInt } from "../checks.ts";
import { native } from "../native.ts";
import { EINPROGRESS } from "../system-error.ts";
import { retry, retryOrBlock } from "./retry.ts";
import { ADDRESS_BYTES, AT, scratch } from "./scratch.ts";

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
