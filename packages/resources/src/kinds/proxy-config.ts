import { z } from "zod";
import { int32, maybe, word, workloadSelector } from "../istio-fields.ts";
import { text } from "../metadata.ts";

export const proxyConfigSpec = z.strictObject({
  selector: workloadSelector.optional(),
  concurrency: maybe(int32.min(0)),
  environmentVariables: z.record(text, z.string().max(2_048)).optional(),
  image: z.strictObject({ imageType: word }).optional(),
});
export type ProxyConfigSpec = z.output<typeof proxyConfigSpec>;
