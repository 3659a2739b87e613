import { z } from "zod";
import { objectMeta } from "../metadata.ts";

export const node = z.looseObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Node"),
  metadata: objectMeta,
});
export type Node = z.output<typeof node>;
