import { z } from "zod";
import { objectMeta, text } from "../metadata.ts";
import { gatewayVersion } from "./gateway.ts";

export const gatewayClass = z.looseObject({
  apiVersion: gatewayVersion,
  kind: z.literal("GatewayClass"),
  metadata: objectMeta,
  spec: z.looseObject({ controllerName: text.max(253) }),
});
export type GatewayClass = z.output<typeof gatewayClass>;
