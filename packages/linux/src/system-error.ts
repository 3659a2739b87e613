import os from "node:os";
import { Code, MeshError } from "@lateen/errors";

export const EINTR = 4;
export const EAGAIN = 11;
export const EINPROGRESS = 115;

const names = new Map<number, string>(Object.entries(os.constants.errno).map(([name, number]) => [number, name]));
// EAGAIN and EWOULDBLOCK are one number; the older name is the one that people search for.
names.set(EAGAIN, "EAGAIN");

const codes: Readonly<Record<string, Code>> = {
  EPERM: Code.Denied,
  EACCES: Code.Denied,
  ETIMEDOUT: Code.Timeout,
  EINVAL: Code.BadInput,
  ENAMETOOLONG: Code.BadInput,
  EBADF: Code.Bug,
  EFAULT: Code.Bug,
};

/** Name of an errno value, for example `EADDRINUSE`. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

/**
 * The error of a failed system call. `facts` holds `syscall`, `errno` (its name) and `number`.
 * @param what what was attempted, for the message; the call's name when omitted
 */
export function systemError(syscall: string, errno: number, what: string = syscall): MeshError {
  const name = errnoName(errno);
  return new MeshError(codes[name] ?? Code.Unavailable, `Cannot ${what}: ${syscall} failed with ${name}`, {
    syscall,
    errno: name,
    number: errno,
  });
}

/** The errno name that an error of this package carries, else null. */
export function errnoOf(error: unknown): string | null {
  const name = MeshError.is(error) ? error.facts["errno"] : undefined;
  return typeof name === "string" ? name : null;
}
