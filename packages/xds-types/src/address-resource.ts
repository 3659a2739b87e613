import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import type { Service, Workload } from "@lateen/workload-model";
import { decodeAddress as decodeWire } from "./generated/workload.ts";
import { checkResourceSize } from "./resource-bytes.ts";
import { readService } from "./service-resource.ts";
import { readWorkload } from "./workload-resource.ts";

/** One resource of the Address type. */
export type AddressResource =
  { readonly t: "workload"; readonly workload: Workload } | { readonly t: "service"; readonly service: Service };

/** Decodes and checks one `istio.workload.Address`. Nothing of the result refers to `bytes`. @see dataplane 8.1 */
export function decodeAddress(bytes: Uint8Array): Result<AddressResource> {
  const sized = checkResourceSize(bytes);
  if (!sized.ok) return sized;
  const wire = decodeWire(bytes);
  if (!wire.ok) return wire;
  if (wire.value.workload !== null) {
    const workload = readWorkload(wire.value.workload);
    return workload.ok ? ok({ t: "workload", workload: workload.value }) : workload;
  }
  if (wire.value.service !== null) {
    const service = readService(wire.value.service);
    return service.ok ? ok({ t: "service", service: service.value }) : service;
  }
  return fail(new MeshError(Code.BadInput, "address: holds neither a workload nor a service"));
}
