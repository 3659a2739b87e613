import type { ByteStream } from "@lateen/byte-stream";
import { Code, MeshError } from "@lateen/errors";
import type { ConnectRequest, HboneOptions, HboneServer } from "./api.ts";

/**
 * HBONE server over an accepted stream, which must not be attached yet; owns it from here on.
 * @param onConnect called for each well-formed CONNECT; anything else is answered 400 here
 */
export function hboneServer(
  _stream: ByteStream,
  _options: HboneOptions,
  _onConnect: (request: ConnectRequest) => void,
): HboneServer {
  throw new MeshError(Code.Bug, "not yet");
}
