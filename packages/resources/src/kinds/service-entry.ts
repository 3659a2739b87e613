import { parseCidr } from "@lateen/addresses";
import { z } from "zod";
import { keyedBy, onlyOneOf, rule } from "../crd/rule.ts";
import { labelsSelector, portNumber } from "../istio-fields.ts";
import { list, objectMeta, statusConditions, text } from "../metadata.ts";
import { networkingVersion } from "./networking.ts";
import { workloadEntrySpec } from "./workload-entry.ts";

const host = rule(
  text
    .min(1, "must not be empty")
    .max(256)
    .refine((h) => /^\*?[-A-Za-z0-9_.]*$/.test(h), {
      error: (issue) => `${JSON.stringify(issue.input)} is not a host name`,
    }),
  {
    cel: "self != '*'",
    message: "hostname cannot be wildcard",
    holds: (h) => h !== "*",
  },
);
const address = z
  .string()
  .max(64)
  .refine((a) => parseCidr(a).ok, {
    error: (issue) => `${JSON.stringify(issue.input)} is not an IP address or block`,
  });
const servicePort = z.strictObject({
  number: portNumber,
  name: z.string().max(256),
  protocol: z.string().max(256).optional(),
  targetPort: portNumber.optional(),
});
const ports = rule(keyedBy(z.array(servicePort).max(256), "name"), {
  cel: "self.all(a, self.exists_one(b, a.number == b.number))",
  message: "port number cannot be duplicated",
  holds: (all) => new Set(all.map((p) => p.number)).size === all.length,
});

/** Where the endpoints of a ServiceEntry's hosts come from. */
export const RESOLUTIONS = ["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"] as const;
export type Resolution = (typeof RESOLUTIONS)[number];

const fields = z.strictObject({
  hosts: z.array(host).min(1, "a ServiceEntry needs a host").max(256),
  addresses: z.array(address).max(256).optional(),
  ports: ports.optional(),
  location: z.enum(["MESH_EXTERNAL", "MESH_INTERNAL"]).optional(),
  resolution: z.enum(RESOLUTIONS).default("NONE"),
  endpoints: z.array(workloadEntrySpec).max(4_096).optional(),
  workloadSelector: labelsSelector.optional(),
  exportTo: list(text).optional(),
  subjectAltNames: list(text).optional(),
});
const resolution = "(has(self.resolution) ? self.resolution : 'NONE')";
const selected = onlyOneOf(
  fields,
  ["workloadSelector", "endpoints"],
  "only one of WorkloadSelector or Endpoints can be set",
);
const blocks = rule(selected, {
  cel: `!has(self.addresses) || ${resolution} in ['NONE', 'STATIC'] || !self.addresses.exists(a, a.contains('/'))`,
  message: "CIDR addresses are allowed only for NONE/STATIC resolution types",
  holds: (s) => s.resolution === "NONE" || s.resolution === "STATIC" || !s.addresses?.some((a) => a.includes("/")),
  path: ["addresses"],
});
const none = rule(blocks, {
  cel: `${resolution} != 'NONE' || !has(self.endpoints)`,
  message: "NONE mode cannot set endpoints",
  holds: (s) => s.resolution !== "NONE" || s.endpoints === undefined,
  path: ["endpoints"],
});
export const serviceEntrySpec = rule(none, {
  cel: `${resolution} != 'DNS_ROUND_ROBIN' || !has(self.endpoints) || self.endpoints.size() <= 1`,
  message: "DNS_ROUND_ROBIN mode cannot have multiple endpoints",
  holds: (s) => s.resolution !== "DNS_ROUND_ROBIN" || (s.endpoints?.length ?? 0) <= 1,
  path: ["endpoints"],
});
export type ServiceEntrySpec = z.output<typeof serviceEntrySpec>;

/** As it is read: fields that contradict each other can have been written before anybody checked, and are made the best of. */
export const serviceEntry = z.strictObject({
  apiVersion: networkingVersion,
  kind: z.literal("ServiceEntry"),
  metadata: objectMeta,
  spec: fields,
  status: z
    .looseObject({
      conditions: statusConditions,
      addresses: list(z.looseObject({ value: text, host: text.optional() })).optional(),
    })
    .optional(),
});
export type ServiceEntry = z.output<typeof serviceEntry>;
