import { Buffer } from "node:buffer";
import { Code, MeshError } from "@lateen/errors";
import { checkBytes, checkFd, checkInt } from "../checks.ts";
import { native } from "../native.ts";
import { retryOrBlock } from "./retry.ts";
import { ADDRESS_BYTES, AT, CONTROL_HEAD, MAX_FDS, MAX_MESSAGE_BYTES, type Scratch, scratch } from "./scratch.ts";

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
