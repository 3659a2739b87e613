import { z } from "zod";
import { labelSelector, labels, objectMeta, textMap } from "../metadata.ts";
import { podSpec } from "./pod.ts";

export const deployment = z.looseObject({
  apiVersion: z.literal("apps/v1"),
  kind: z.literal("Deployment"),
  metadata: objectMeta,
  spec: z
    .looseObject({
      replicas: z.number().int().min(0).max(10_000).default(1),
      selector: labelSelector,
      template: z.looseObject({
        metadata: z.looseObject({ labels: labels.optional(), annotations: textMap.optional() }).optional(),
        spec: podSpec,
      }),
    })
    .refine(
      (spec) =>
        Object.entries(spec.selector.matchLabels ?? {}).every(([k, v]) => spec.template.metadata?.labels?.[k] === v),
      { message: "does not match the labels of the template", path: ["selector"] },
    ),
});
export type Deployment = z.output<typeof deployment>;
