import { z } from "zod";
import { dnsLabel, objectMeta } from "../metadata.ts";

export const namespace = z.looseObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Namespace"),
  metadata: objectMeta.extend({ name: dnsLabel }),
});
export type Namespace = z.output<typeof namespace>;
