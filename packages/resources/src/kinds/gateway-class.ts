import { z } from "zod";
import { objectMeta, statusConditions, text } from "../metadata.ts";
import { gatewayVersion } from "./gateway.ts";

export const gatewayClass = z.looseObject({
  apiVersion: gatewayVersion,
  kind: z.literal("GatewayClass"),
  metadata: objectMeta,
  spec: z.looseObject({ controllerName: text.max(253) }),
  status: z.looseObject({ conditions: statusConditions }).optional(),
});
export type GatewayClass = z.output<typeof gatewayClass>;
