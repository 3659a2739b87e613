import { z } from "zod";
import { labels, list, objectMeta, port, portName, statusConditions, text } from "../metadata.ts";

const servicePort = z.looseObject({
  name: text.optional(),
  port,
  targetPort: z.union([port, portName]).optional(),
  protocol: z.enum(["TCP", "UDP", "SCTP"]).default("TCP"),
  appProtocol: text.optional(),
});

export const service = z.looseObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Service"),
  metadata: objectMeta,
  spec: z.looseObject({
    type: z.enum(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]).default("ClusterIP"),
    clusterIP: text.optional(),
    clusterIPs: list(text).optional(),
    externalIPs: list(text).optional(),
    externalName: text.optional(),
    selector: labels.optional(),
    ports: list(servicePort)
      .refine((ports) => ports.length < 2 || ports.every((p) => p.name), {
        message: "every port needs a name when there are several",
      })
      .optional(),
    internalTrafficPolicy: z.enum(["Cluster", "Local"]).optional(),
    trafficDistribution: text.optional(),
    publishNotReadyAddresses: z.boolean().optional(),
    ipFamilies: list(z.enum(["IPv4", "IPv6"])).optional(),
  }),
  status: z
    .looseObject({
      conditions: statusConditions,
      loadBalancer: z
        .looseObject({
          ingress: list(z.looseObject({ ip: text.optional(), hostname: text.optional() })).optional(),
        })
        .optional(),
    })
    .optional(),
});
export type Service = z.output<typeof service>;
