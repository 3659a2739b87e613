import { z } from "zod";
import { dnsLabel, dnsName, labelSelector, labels, list, objectMeta, port, text, textMap } from "./metadata.ts";

// Kinds of Kubernetes itself: only what the mesh reads. Other fields are let through, as the API server has judged them.

export const namespace = z.looseObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Namespace"),
  metadata: objectMeta.extend({ name: dnsLabel }),
});
export type Namespace = z.output<typeof namespace>;

export const serviceAccount = z.looseObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("ServiceAccount"),
  metadata: objectMeta,
});
export type ServiceAccount = z.output<typeof serviceAccount>;

const containerPort = z.looseObject({
  name: text.optional(),
  containerPort: port,
  protocol: z.enum(["TCP", "UDP", "SCTP"]).default("TCP"),
});
const probeTarget = z.looseObject({ port: z.union([port, text]), path: text.optional() });
const probe = z.looseObject({
  httpGet: probeTarget.optional(),
  tcpSocket: probeTarget.optional(),
  periodSeconds: z.number().min(0).optional(),
});
const container = z.looseObject({
  name: dnsLabel,
  image: text.optional(),
  command: list(text).optional(),
  args: list(text).optional(),
  workingDir: text.optional(),
  env: list(z.looseObject({ name: text, value: text.optional() })).optional(),
  ports: list(containerPort).optional(),
  readinessProbe: probe.optional(),
  restartPolicy: z.literal("Always").optional(),
});
const podSpec = z.looseObject({
  nodeName: dnsName.optional(),
  nodeSelector: labels.optional(),
  serviceAccountName: dnsName.optional(),
  hostNetwork: z.boolean().optional(),
  restartPolicy: z.enum(["Always", "OnFailure", "Never"]).optional(),
  terminationGracePeriodSeconds: z.number().int().min(0).optional(),
  containers: list(container).min(1, "a pod needs a container"),
  initContainers: list(container).optional(),
});
const podStatus = z.looseObject({
  phase: z.enum(["Pending", "Running", "Succeeded", "Failed", "Unknown"]).optional(),
  podIP: text.optional(),
  podIPs: list(z.looseObject({ ip: text })).optional(),
  conditions: list(z.looseObject({ type: text, status: z.enum(["True", "False", "Unknown"]) })).optional(),
});
export const pod = z.looseObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Pod"),
  metadata: objectMeta,
  spec: podSpec,
  status: podStatus.optional(),
});
export type Pod = z.output<typeof pod>;

const servicePort = z.looseObject({
  name: text.optional(),
  port,
  targetPort: z.union([port, dnsLabel]).optional(),
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
});
export type Service = z.output<typeof service>;

export const node = z.looseObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Node"),
  metadata: objectMeta,
});
export type Node = z.output<typeof node>;

export const deployment = z.looseObject({
  apiVersion: z.literal("apps/v1"),
  kind: z.literal("Deployment"),
  metadata: objectMeta,
  spec: z
    .looseObject({
      replicas: z.number().int().min(0).max(10_000).default(1),
      selector: labelSelector,
      template: z.looseObject({
        metadata: z.looseObject({ labels: labels.optional(), annotations: textMap.optional() }).optional(),
        spec: podSpec,
      }),
    })
    .refine(
      (spec) =>
        Object.entries(spec.selector.matchLabels ?? {}).every(([k, v]) => spec.template.metadata?.labels?.[k] === v),
      { message: "does not match the labels of the template", path: ["selector"] },
    ),
});
export type Deployment = z.output<typeof deployment>;
