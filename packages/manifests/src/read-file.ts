import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { MAX_FILE_BYTES, type ParsedManifests, parseManifests, refused } from "./parse-manifests.ts";

/**
 * Reads and parses one file, at most 1 MiB of it.
 * @throws the file system's error
 */
export async function readManifestFile(path: string): Promise<ParsedManifests & { readonly size: number }> {
  // A pipe that took the file's place must not hang the reader.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { size } = await file.stat();
    if (size > MAX_FILE_BYTES) return { ...refused(path, `is larger than ${MAX_FILE_BYTES} bytes`), size };
    const buffer = new Uint8Array(size + 1);
    let used = 0;
    for (let n = 1; n > 0 && used < buffer.length; used += n)
      ({ bytesRead: n } = await file.read(buffer, used, buffer.length - used, used));
    // One byte more than there was: somebody is writing.
    if (used > size) return { ...refused(path, "changed while it was read"), size };
    return { ...parseBytes(buffer.subarray(0, used), path), size };
  } finally {
    await file.close();
  }
}

function parseBytes(bytes: Uint8Array, path: string): ParsedManifests {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return refused(path, "is not UTF-8 text"); // the decoder says no more than that
  }
  return parseManifests(text, path);
}
