import { z } from "zod";
import { dnsLabel, dnsName, labels, list, objectMeta, port, text } from "../metadata.ts";

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
export const podSpec = z.looseObject({
  nodeName: dnsName.optional(),
  nodeSelector: labels.optional(),
  /** The API server fills it in; empty is not written. */
  serviceAccountName: z.union([dnsName, z.literal("")]).optional(),
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
