import { z } from "zod";
import { rule } from "../crd/rule.ts";
import { bounded, portNumber, uint32 } from "../istio-fields.ts";
import { objectMeta, statusConditions, text } from "../metadata.ts";
import { networkingVersion } from "./networking.ts";

const SOCKET = "unix://";
const PORT_NAME = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/;

const address = rule(
  rule(z.string().max(256), {
    cel: "!self.startsWith('unix://') || self.substring(7, 8) in ['/', '@']",
    message: "UDS must be an absolute path or abstract socket",
    holds: (a) => !a.startsWith(SOCKET) || a[SOCKET.length] === "/" || a[SOCKET.length] === "@",
  }),
  {
    cel: "!self.startsWith('unix://') || !self.endsWith('/')",
    message: "UDS may not be a dir",
    holds: (a) => !a.startsWith(SOCKET) || !a.endsWith("/"),
  },
);
const ports = rule(bounded(z.record(text, portNumber), 128), {
  cel: `self.all(key, size(key) < 63 && key.matches('${PORT_NAME.source}'))`,
  message: "port name must be valid",
  holds: (map) => Object.keys(map).every((key) => key.length < 63 && PORT_NAME.test(key)),
});

/** Without what depends on where it stands: in a WorkloadGroup the address comes later. */
export const workloadTemplate = rule(
  z.strictObject({
    address: address.optional(),
    ports: ports.optional(),
    labels: bounded(z.record(text, text), 256).optional(),
    network: z.string().max(2_048).optional(),
    locality: z.string().max(2_048).optional(),
    weight: uint32.optional(),
    serviceAccount: z.string().max(253).optional(),
  }),
  {
    cel: "!(has(self.address) && self.address.startsWith('unix://') && has(self.ports))",
    message: "UDS may not include ports",
    holds: (e) => !(e.address?.startsWith(SOCKET) === true && e.ports !== undefined),
    path: ["ports"],
  },
);

/** A WorkloadEntry's spec and an endpoint of a ServiceEntry: one address outside of Kubernetes' pods. */
export const workloadEntrySpec = rule(workloadTemplate, {
  cel: "has(self.address) || has(self.network)",
  message: "Address is required",
  holds: (e) => e.address !== undefined || e.network !== undefined,
});

/** As it is read: one without an address can have been written before anybody checked. */
export const workloadEntry = z.strictObject({
  apiVersion: networkingVersion,
  kind: z.literal("WorkloadEntry"),
  metadata: objectMeta,
  spec: workloadTemplate.default({}),
  status: z.looseObject({ conditions: statusConditions }).optional(),
});
export type WorkloadEntry = z.output<typeof workloadEntry>;
export type WorkloadEntrySpec = z.output<typeof workloadTemplate>;
