import { z } from "zod";
import { labelSelector, list, objectMeta, port, statusConditions, text, textMap } from "../metadata.ts";

// Kinds of the Gateway API: the API server has judged them by its own CRDs, so other fields are let through.

export const gatewayVersion = z.enum(["gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"]);

/** Namespaces that something is open to. */
const fromNamespaces = z.looseObject({ from: text.optional(), selector: labelSelector.optional() });
const allowedRoutes = z.looseObject({
  namespaces: fromNamespaces.optional(),
  kinds: list(z.looseObject({ group: text.optional(), kind: text })).optional(),
});
/** Of a listener: what its certificate is, and what its clients must show. */
const objectReference = z.looseObject({
  group: text.optional(),
  kind: text.optional(),
  name: text,
  namespace: text.optional(),
});
const listenerTls = z.looseObject({
  mode: text.optional(),
  certificateRefs: list(objectReference).optional(),
  options: textMap.optional(),
});
const listener = z.looseObject({
  name: text.max(253),
  port,
  protocol: text.max(255),
  hostname: text.optional(),
  tls: listenerTls.optional(),
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
    infrastructure: z
      .looseObject({
        labels: textMap.optional(),
        annotations: textMap.optional(),
        parametersRef: z.looseObject({ group: text, kind: text, name: text }).optional(),
      })
      .optional(),
    allowedListeners: z.looseObject({ namespaces: fromNamespaces.optional() }).optional(),
    tls: z.unknown().optional(),
  }),
  status: z
    .looseObject({
      addresses: list(address).optional(),
      conditions: statusConditions,
      listeners: z.unknown().optional(),
    })
    .optional(),
});
export type Gateway = z.output<typeof gateway>;
