import { z } from "zod";
import { objectMeta } from "../metadata.ts";
import { portText, securityVersion, workloadSelector } from "./security.ts";

const mode = z.enum(["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]);
const mtls = z.strictObject({ mode: mode.default("UNSET") });
export type MtlsMode = z.output<typeof mode>;

export const peerAuthentication = z.strictObject({
  apiVersion: securityVersion,
  kind: z.literal("PeerAuthentication"),
  metadata: objectMeta,
  spec: z
    .strictObject({
      selector: workloadSelector.optional(),
      mtls: mtls.nullable().optional(),
      portLevelMtls: z.record(portText, mtls.nullable()).optional(),
    })
    .refine((s) => s.portLevelMtls === undefined || Object.keys(s.portLevelMtls).length > 0, {
      message: "must not be empty",
      path: ["portLevelMtls"],
    })
    .refine((s) => s.portLevelMtls === undefined || Object.keys(s.selector?.matchLabels ?? {}).length > 0, {
      message: "needs a selector with labels: ports belong to workloads",
      path: ["portLevelMtls"],
    })
    .default({}),
  status: z.unknown().optional(),
});
export type PeerAuthentication = z.output<typeof peerAuthentication>;
