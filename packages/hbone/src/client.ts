import type { ByteStream } from "@lateen/byte-stream";
import { Code, MeshError } from "@lateen/errors";
import type { HboneClient, HboneOptions } from "./api.ts";

/** HBONE client over a connected stream, which must not be attached yet; owns it from here on. Sends its preface at once. */
export function hboneClient(_stream: ByteStream, _options: HboneOptions): HboneClient {
  throw new MeshError(Code.Bug, "not yet");
}
