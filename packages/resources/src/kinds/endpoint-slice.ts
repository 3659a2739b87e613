import { z } from "zod";
import { list, objectMeta, port, text } from "../metadata.ts";

const endpoint = z.looseObject({
  addresses: list(text),
  conditions: z.looseObject({ ready: z.boolean().optional() }).optional(),
  targetRef: z
    .looseObject({ kind: text.optional(), namespace: text.optional(), name: text.optional(), uid: text.optional() })
    .optional(),
});

/** The addresses behind a Service, as Kubernetes found them or as somebody wrote them. */
export const endpointSlice = z.looseObject({
  apiVersion: z.literal("discovery.k8s.io/v1"),
  kind: z.literal("EndpointSlice"),
  metadata: objectMeta,
  addressType: z.enum(["IPv4", "IPv6", "FQDN"]),
  endpoints: list(endpoint).default([]),
  ports: list(
    z.looseObject({
      name: text.optional(),
      port: port.optional(),
      protocol: z.enum(["TCP", "UDP", "SCTP"]).default("TCP"),
    }),
  ).optional(),
});
export type EndpointSlice = z.output<typeof endpointSlice>;
