import { parseCidr } from "@lateen/addresses";
import { z } from "zod";
import { labels, list, objectMeta, port, statusConditions, text } from "../metadata.ts";
import { networkingVersion } from "./networking.ts";
import { workloadEntrySpec } from "./workload-entry.ts";

const host = text
  .min(1, "must not be empty")
  .max(256)
  .refine((h) => h !== "*", { message: 'the host "*" would stand for everything' })
  .refine((h) => /^\*?[-A-Za-z0-9_.]+$/.test(h), {
    error: (issue) => `${JSON.stringify(issue.input)} is not a host name`,
  });
const address = text.refine((a) => parseCidr(a).ok, {
  error: (issue) => `${JSON.stringify(issue.input)} is not an IP address or block`,
});
const servicePort = z.strictObject({
  number: port,
  name: text.min(1, "must not be empty").max(256),
  protocol: text.max(256).optional(),
  targetPort: port.optional(),
});

const distinct = <T>(values: readonly T[]): boolean => new Set(values).size === values.length;

/** Where the endpoints of a ServiceEntry's hosts come from. */
export const RESOLUTIONS = ["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"] as const;
export type Resolution = (typeof RESOLUTIONS)[number];

const spec = z.strictObject({
  hosts: list(host).min(1, "a ServiceEntry needs a host").max(256),
  addresses: list(address).max(256).optional(),
  ports: list(servicePort)
    .max(256)
    .refine((ports) => distinct(ports.map((p) => p.number)), { message: "a port number stands twice" })
    .refine((ports) => distinct(ports.map((p) => p.name)), { message: "a port name stands twice" })
    .optional(),
  location: z.enum(["MESH_EXTERNAL", "MESH_INTERNAL"]).optional(),
  resolution: z.enum(RESOLUTIONS).default("NONE"),
  endpoints: list(workloadEntrySpec).max(4_096).optional(),
  workloadSelector: z.strictObject({ labels: labels.optional() }).optional(),
  exportTo: list(text).optional(),
  subjectAltNames: list(text).optional(),
});

export const serviceEntry = z.strictObject({
  apiVersion: networkingVersion,
  kind: z.literal("ServiceEntry"),
  metadata: objectMeta,
  spec,
  status: z
    .looseObject({
      conditions: statusConditions,
      addresses: list(z.looseObject({ value: text, host: text.optional() })).optional(),
    })
    .optional(),
});
export type ServiceEntry = z.output<typeof serviceEntry>;
