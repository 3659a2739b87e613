import { Code, MeshError } from "@lateen/errors";
import type { DataPath, SocketFactory } from "./port.ts";

/**
 * The data path on `node:net` and `node:tls`, for any system and for Deno.
 * @param o.sockets makes the sockets where marks, namespaces or spoofed sources are needed; without it those options are ignored
 */
export function portableDataPath(_o: { readonly sockets?: SocketFactory } = {}): DataPath {
  throw new MeshError(Code.Bug, "not yet");
}
