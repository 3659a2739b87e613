import { Code, MeshError } from "@lateen/errors";
import type { HbonePool, HbonePoolOptions } from "./api.ts";

/** Shares tunnels between CONNECTs of the same key. @see dataplane contract 5.9 */
export function hbonePool(_options: HbonePoolOptions): HbonePool {
  throw new MeshError(Code.Bug, "not yet");
}
