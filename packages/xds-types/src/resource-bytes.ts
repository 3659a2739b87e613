import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** The largest single resource. An object of the Kubernetes API, from which they come, holds at most 1.5 MiB. */
export const MAX_RESOURCE_BYTES = 4 * 1024 * 1024;

/** Refuses a resource by its size, before anything is made of it. */
export function checkResourceSize(bytes: Uint8Array): Result<Uint8Array> {
  if (bytes.length <= MAX_RESOURCE_BYTES) return ok(bytes);
  return fail(new MeshError(Code.BadInput, `resource of ${bytes.length} bytes is larger than ${MAX_RESOURCE_BYTES}`));
}
