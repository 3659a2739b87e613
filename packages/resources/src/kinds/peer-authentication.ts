import { z } from "zod";
import { keyword, rule } from "../crd/rule.ts";
import { workloadSelector } from "../istio-fields.ts";
import { objectMeta } from "../metadata.ts";
import { portText, securityVersion } from "./security.ts";

const mode = z.enum(["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]);
const mtls = z.strictObject({ mode: mode.default("UNSET") });
export type MtlsMode = z.output<typeof mode>;

const byPort = keyword(
  rule(z.record(portText, mtls), {
    cel: "self.all(key, 0 < int(key) && int(key) <= 65535)",
    message: "port must be between 1-65535",
    holds: () => true, // the keys' own schema says it of each key
  }),
  {
    schema: { minProperties: 1 },
    message: "must not be empty",
    holds: (m) => Object.keys(m).length > 0,
  },
);

export const peerAuthenticationSpec = rule(
  z.strictObject({
    selector: workloadSelector.optional(),
    mtls: mtls.optional(),
    portLevelMtls: byPort.optional(),
  }),
  {
    cel: "!has(self.portLevelMtls) || (has(self.selector) && has(self.selector.matchLabels) && self.selector.matchLabels.size() > 0)",
    message: "portLevelMtls requires selector",
    holds: (s) => s.portLevelMtls === undefined || Object.keys(s.selector?.matchLabels ?? {}).length > 0,
    path: ["portLevelMtls"],
  },
);

export const peerAuthentication = z.strictObject({
  apiVersion: securityVersion,
  kind: z.literal("PeerAuthentication"),
  metadata: objectMeta,
  spec: peerAuthenticationSpec.default({}),
  status: z.unknown().optional(),
});
export type PeerAuthentication = z.output<typeof peerAuthentication>;
