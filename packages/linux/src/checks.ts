import { Buffer } from "node:buffer";
import { Code, MeshError } from "@lateen/errors";

const bug = (what: string): MeshError => new MeshError(Code.Bug, `Cannot call the kernel: ${what}`);

/** A 32-bit integer, signed or unsigned: FFI would turn NaN, fractions and strings into some number without complaint. */
export function checkInt(name: string, value: number): void {
  if (!Number.isInteger(value) || value < -0x8000_0000 || value > 0xffff_ffff)
    throw bug(`${name} is not a 32-bit integer`);
}

/** A descriptor. -1 is refused too: to some calls it has a meaning of its own. */
export function checkFd(fd: number): void {
  if (!Number.isInteger(fd) || fd < 0 || fd > 0x7fff_ffff) throw bug("not a descriptor");
}

/** A byte view; its own length is the only length that C is ever told. */
export function checkBytes(name: string, view: Uint8Array, max = 0x7fff_ffff): void {
  if (!ArrayBuffer.isView(view) || !(view.BYTES_PER_ELEMENT === 1)) throw bug(`${name} is not a byte view`);
  if (view.byteLength > max) throw bug(`${name} has ${view.byteLength} bytes, at most ${max} are allowed`);
}

const PATH_MAX = 4096;

/**
 * A path or name as C reads it.
 * @throws MeshError BAD_INPUT when it holds a NUL or is too long
 */
export function cString(text: string): Buffer {
  if (typeof text !== "string" || text.includes("\0"))
    throw new MeshError(Code.BadInput, "Cannot pass text to the kernel: it is not a string or holds a NUL");
  const bytes = Buffer.from(`${text}\0`, "utf8");
  if (bytes.length > PATH_MAX)
    throw new MeshError(Code.BadInput, `Cannot pass text to the kernel: ${bytes.length} bytes, at most ${PATH_MAX}`);
  return bytes;
}
