import { Buffer } from "node:buffer";
import { Code, MeshError } from "@lateen/errors";
import { checkBytes, checkFd, checkInt, cString } from "../checks.ts";
import { native } from "../native.ts";
import { EINTR, systemError } from "../system-error.ts";
import { retry, retryOrBlock } from "./retry.ts";

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

/** Closes a descriptor. Never retried: after EINTR Linux has closed it already. */
export function close(fd: number): void {
  checkFd(fd);
  if (native().close(fd) >= 0) return;
  const errno = native().errno();
  if (errno !== EINTR) throw systemError("close", errno);
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
