import { z } from "zod";
import { objectMeta } from "../metadata.ts";

export const serviceAccount = z.looseObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("ServiceAccount"),
  metadata: objectMeta,
});
export type ServiceAccount = z.output<typeof serviceAccount>;
