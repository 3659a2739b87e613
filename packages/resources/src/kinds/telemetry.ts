import { z } from "zod";
import { oneof, rule } from "../crd/rule.ts";
import {
  ATTACHMENTS,
  duration,
  maybe,
  onlyOneAttachment,
  targetRef,
  targetRefs,
  word,
  workloadSelector,
} from "../istio-fields.ts";
import { list, text } from "../metadata.ts";

const name = text.min(1);
const mode = z.enum(["CLIENT_AND_SERVER", "CLIENT", "SERVER"]).optional();
const providers = list(z.strictObject({ name })).optional();
const customTag = oneof(
  z.strictObject({
    literal: z.strictObject({ value: name }).optional(),
    environment: z.strictObject({ name, defaultValue: word }).optional(),
    header: z.strictObject({ name, defaultValue: word }).optional(),
    formatter: z.strictObject({ value: name }).optional(),
  }),
  ["literal", "environment", "header", "formatter"],
);
const tracing = z.strictObject({
  match: z.strictObject({ mode }).optional(),
  providers,
  randomSamplingPercentage: maybe(z.number().min(0).max(100)),
  disableSpanReporting: maybe(z.boolean()),
  customTags: z.record(text, customTag).optional(),
  useRequestIdForTraceSampling: maybe(z.boolean()),
  enableIstioTags: maybe(z.boolean()),
  disableContextPropagation: maybe(z.boolean()),
});
const METRICS = [
  ...["ALL_METRICS", "REQUEST_COUNT", "REQUEST_DURATION", "REQUEST_SIZE", "RESPONSE_SIZE"],
  ...["TCP_OPENED_CONNECTIONS", "TCP_CLOSED_CONNECTIONS", "TCP_SENT_BYTES", "TCP_RECEIVED_BYTES"],
  ...["GRPC_REQUEST_MESSAGES", "GRPC_RESPONSE_MESSAGES"],
] as const;
const metricMatch = oneof(z.strictObject({ metric: z.enum(METRICS).optional(), customMetric: name.optional(), mode }), [
  "metric",
  "customMetric",
]);
const tagOverride = rule(
  rule(z.strictObject({ operation: z.enum(["UPSERT", "REMOVE"]).optional(), value: word }), {
    cel: "!has(self.operation) || self.operation != 'UPSERT' || (has(self.value) && self.value != '')",
    message: "value must be set when operation is UPSERT",
    holds: (t) => t.operation !== "UPSERT" || (t.value ?? "") !== "",
  }),
  {
    cel: "!has(self.operation) || self.operation != 'REMOVE' || !has(self.value)",
    message: "value must not be set when operation is REMOVE",
    holds: (t) => t.operation !== "REMOVE" || t.value === undefined,
  },
);
const metrics = z.strictObject({
  providers,
  overrides: list(
    z.strictObject({
      match: metricMatch.optional(),
      disabled: maybe(z.boolean()),
      tagOverrides: z.record(text, tagOverride).optional(),
    }),
  ).optional(),
  reportingInterval: duration.optional(),
});
const accessLogging = z.strictObject({
  match: z.strictObject({ mode }).optional(),
  providers,
  disabled: maybe(z.boolean()),
  filter: z.strictObject({ expression: word }).optional(),
});

/** Entries that are null say nothing and are passed over. */
export const telemetrySpec = onlyOneAttachment(
  z.strictObject({
    selector: workloadSelector.optional(),
    targetRef: targetRef.optional(),
    targetRefs: targetRefs.optional(),
    tracing: list(tracing.nullable()).optional(),
    metrics: list(metrics.nullable()).optional(),
    accessLogging: list(accessLogging.nullable()).optional(),
  }),
  ATTACHMENTS,
);
export type TelemetrySpec = z.output<typeof telemetrySpec>;
