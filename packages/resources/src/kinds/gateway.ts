import { z } from "zod";
import { labelSelector, list, objectMeta, port, text, textMap } from "../metadata.ts";

// Kinds of the Gateway API: the API server has judged them by its own CRDs, so other fields are let through.

export const gatewayVersion = z.enum(["gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"]);

const allowedRoutes = z.looseObject({
  namespaces: z.looseObject({ from: text.optional(), selector: labelSelector.optional() }).optional(),
});
const listener = z.looseObject({
  name: text.max(253),
  port,
  protocol: text.max(255),
  hostname: text.optional(),
  allowedRoutes: allowedRoutes.optional(),
});
export type GatewayListener = z.output<typeof listener>;

const address = z.looseObject({ type: text.optional(), value: text.optional() });

export const gateway = z.looseObject({
  apiVersion: gatewayVersion,
  kind: z.literal("Gateway"),
  metadata: objectMeta,
  spec: z.looseObject({
    gatewayClassName: text.max(253),
    listeners: list(listener).default([]),
    addresses: list(address).optional(),
    infrastructure: z.looseObject({ labels: textMap.optional(), annotations: textMap.optional() }).optional(),
  }),
  status: z.looseObject({ addresses: list(address).optional() }).optional(),
});
export type Gateway = z.output<typeof gateway>;
