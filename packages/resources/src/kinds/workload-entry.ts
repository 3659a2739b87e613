import { z } from "zod";
import { labels, objectMeta, port, statusConditions, text } from "../metadata.ts";
import { isAbsoluteSocket, networkingVersion } from "./networking.ts";

/** A WorkloadEntry's spec and an endpoint of a ServiceEntry: one address outside of Kubernetes' pods. */
export const workloadEntrySpec = z
  .strictObject({
    address: text.optional(),
    ports: z.record(text.min(1).max(63), port).optional(),
    labels: labels.optional(),
    network: text.optional(),
    locality: text.optional(),
    weight: z.number().int().min(0).max(0xffff_ffff).optional(),
    serviceAccount: text.max(253).optional(),
  })
  .refine((e) => !e.address?.startsWith("unix://") || isAbsoluteSocket(e.address), {
    message: "a Unix socket needs an absolute path or an abstract name",
    path: ["address"],
  })
  .refine((e) => !e.address?.startsWith("unix://") || e.ports === undefined, {
    message: "a Unix socket has no ports",
    path: ["ports"],
  });

export const workloadEntry = z.strictObject({
  apiVersion: networkingVersion,
  kind: z.literal("WorkloadEntry"),
  metadata: objectMeta,
  spec: workloadEntrySpec.default({}),
  status: z.looseObject({ conditions: statusConditions }).optional(),
});
export type WorkloadEntry = z.output<typeof workloadEntry>;
export type WorkloadEntrySpec = z.output<typeof workloadEntrySpec>;
