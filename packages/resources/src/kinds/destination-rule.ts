import { z } from "zod";
import { words, workloadSelector } from "../istio-fields.ts";
import { list, text } from "../metadata.ts";
import { trafficPolicy } from "./traffic-policy.ts";

const subset = z.strictObject({
  name: text,
  labels: z.record(text, text).optional(),
  trafficPolicy: trafficPolicy.optional(),
});

export const destinationRuleSpec = z.strictObject({
  host: text,
  trafficPolicy: trafficPolicy.optional(),
  subsets: list(subset).optional(),
  exportTo: words,
  workloadSelector: workloadSelector.optional(),
});
export type DestinationRuleSpec = z.output<typeof destinationRuleSpec>;
