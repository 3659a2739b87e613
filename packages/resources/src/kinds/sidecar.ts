import { z } from "zod";
import { labelsSelector, uint32, word } from "../istio-fields.ts";
import { list, text } from "../metadata.ts";
import { destination } from "./http-route.ts";
import { serverTls } from "./istio-gateway.ts";
import { connectionPool } from "./traffic-policy.ts";

const port = z.strictObject({
  number: uint32.optional(),
  protocol: word,
  name: word,
  targetPort: uint32.optional(),
});
export type SidecarPort = z.output<typeof port>;
const captureMode = z.enum(["DEFAULT", "IPTABLES", "NONE"]).optional();
const ingress = z.strictObject({
  port,
  bind: word,
  captureMode,
  defaultEndpoint: word,
  tls: serverTls.optional(),
  connectionPool: connectionPool.optional(),
});
export type SidecarIngress = z.output<typeof ingress>;
const egress = z.strictObject({ port: port.optional(), bind: word, captureMode, hosts: list(text) });
export type SidecarEgress = z.output<typeof egress>;

export const sidecarSpec = z.strictObject({
  workloadSelector: labelsSelector.optional(),
  ingress: list(ingress).optional(),
  egress: list(egress).optional(),
  inboundConnectionPool: connectionPool.optional(),
  outboundTrafficPolicy: z
    .strictObject({
      mode: z.enum(["REGISTRY_ONLY", "ALLOW_ANY"]).optional(),
      egressProxy: destination.optional(),
    })
    .optional(),
});
export type SidecarSpec = z.output<typeof sidecarSpec>;
