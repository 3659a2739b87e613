import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** The largest message anybody may send us (dataplane 8.4). */
export const MAX_MESSAGE_BYTES = 200 * 1024 * 1024;

/** Bytes of a message. */
export function encodeWith<T>(write: (w: Writer, message: T) => void, message: T): Uint8Array {
  const w = new Writer();
  write(w, message);
  return w.finish();
}

/** The whole of `bytes` as one message. Byte fields are views of `bytes`. */
export function decodeWith<T>(name: string, read: (r: Reader) => T, bytes: Uint8Array): Result<T> {
  if (bytes.length > MAX_MESSAGE_BYTES)
    return fail(
      new MeshError(Code.BadInput, `Cannot decode ${name}: ${bytes.length} bytes, more than ${MAX_MESSAGE_BYTES}`),
    );
  const r = new Reader(bytes);
  const value = read(r);
  return r.fault === null ? ok(value) : fail(new MeshError(Code.BadInput, `Cannot decode ${name}: ${r.fault}`));
}

/** Entries of a map by key: equal messages give equal bytes, so a hash of the bytes can be a version. */
export function sortedEntries<V>(map: ReadonlyMap<string, V>): readonly (readonly [string, V])[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
