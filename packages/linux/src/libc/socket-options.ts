import { Buffer } from "node:buffer";
import { checkBytes, checkFd, checkInt } from "../checks.ts";
import { native } from "../native.ts";
import { systemError } from "../system-error.ts";
import { retry } from "./retry.ts";
import { AT, scratch } from "./scratch.ts";

const int = Buffer.allocUnsafeSlow(4);

function checkOption(fd: number, level: number, name: number): void {
  checkFd(fd);
  checkInt("level", level);
  checkInt("name", name);
}

export function setsockopt(fd: number, level: number, name: number, value: Uint8Array): void {
  checkOption(fd, level, name);
  checkBytes("value", value);
  retry("setsockopt", () => native().setsockopt(fd, level, name, value, value.byteLength));
}

/** As `setsockopt`, for what may be refused and is not missed then. @returns 0 or -errno */
export function trySetsockopt(fd: number, level: number, name: number, value: Uint8Array): number {
  checkOption(fd, level, name);
  checkBytes("value", value);
  return native().setsockopt(fd, level, name, value, value.byteLength) < 0 ? -native().errno() : 0;
}

/** `setsockopt` with an int. */
export function setsockoptInt(fd: number, level: number, name: number, value: number): void {
  checkOption(fd, level, name);
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
  checkOption(fd, level, name);
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
