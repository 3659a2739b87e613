import type { TrafficExtensionSpec, WasmPluginSpec } from "@lateen/resources";
import { checkAttachment } from "./attachment.ts";
import type { Findings } from "./findings.ts";

// What else these kinds ask for stands in their schemas.

export const checkWasmPlugin = (spec: WasmPluginSpec, f: Findings): void => checkAttachment(spec, f);
export const checkTrafficExtension = (spec: TrafficExtensionSpec, f: Findings): void => checkAttachment(spec, f);
