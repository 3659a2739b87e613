import { z } from "zod";
import { keyword, onlyOneOf, rule } from "./crd/rule.ts";
import { parseGoDuration } from "./go-duration.ts";
import { list, text } from "./metadata.ts";

// Fields that several kinds of Istio have. Their limits and rules are those of Istio's CRDs, so that what applies there applies here.

/** A wrapper of protobuf: absent and null say the same. */
export const maybe = <T extends z.ZodType>(of: T): z.ZodOptional<z.ZodNullable<T>> => of.nullable().optional();
export const flag = z.boolean().optional();
export const word = text.optional();
export const words = list(text).optional();
export const wordMap = z.record(text, text).optional();
export const uint32 = z.uint32();
export const int32 = z.int32();
/** Any JSON object, kept as it is. */
export const anyObject = z.record(z.string(), z.unknown());

const isPort = (n: number): boolean => n >= 1 && n <= 65_535;
export const portNumber = rule(uint32, {
  cel: "0 < self && self <= 65535",
  message: "port must be between 1-65535",
  holds: isPort,
});

const MILLISECOND = 1_000_000n;
/** Of at least a millisecond, as Go writes durations. */
export const duration = rule(text, {
  cel: "duration(self) >= duration('1ms')",
  message: "must be a valid duration greater than 1ms",
  holds: (d) => (parseGoDuration(d) ?? 0n) >= MILLISECOND,
});

const matchValue = rule(z.string().max(63), {
  cel: "!self.contains('*')",
  message: "wildcard not allowed in label value match",
  holds: (v) => !v.includes("*"),
});
const matchLabels = keyword(
  rule(
    rule(z.record(text, matchValue), {
      cel: "self.all(key, !key.contains('*'))",
      message: "wildcard not allowed in label key match",
      holds: (m) => Object.keys(m).every((k) => !k.includes("*")),
    }),
    {
      cel: "self.all(key, key.size() != 0)",
      message: "key must not be empty",
      holds: (m) => !Object.hasOwn(m, ""),
    },
  ),
  {
    schema: { maxProperties: 4_096 },
    message: "has more than 4096 labels",
    holds: (m) => Object.keys(m).length <= 4_096,
  },
);
export const workloadSelector = z.strictObject({ matchLabels: matchLabels.optional() });
export type WorkloadSelector = z.output<typeof workloadSelector>;

const entries = (max: number) => ({
  schema: { maxProperties: max },
  message: `has more than ${max} entries`,
  holds: (m: object) => Object.keys(m).length <= max,
});
const selectedValue = rule(z.string().max(63), {
  cel: "!self.contains('*')",
  message: "wildcard is not supported in selector",
  holds: (v) => !v.includes("*"),
});
/** The older form of a selector. */
export const labelsSelector = z.strictObject({
  labels: keyword(z.record(text, selectedValue), entries(256)).optional(),
});
export type LabelsSelector = z.output<typeof labelsSelector>;

/** A map of at most so many entries. */
export const bounded = <T extends z.ZodType<object>>(schema: T, max: number): T => keyword(schema, entries(max));

const GROUP = /^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
export const targetRef = z.strictObject({
  group: z.string().max(253).regex(GROUP, "is not an API group").optional(),
  kind: z
    .string()
    .min(1)
    .max(63)
    .regex(/^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/, "is not a kind"),
  name: z.string().min(1).max(253),
  namespace: rule(text, {
    cel: "self.size() == 0",
    message: "cross namespace referencing is not currently supported",
    holds: (ns) => ns === "",
  }).optional(),
});
export type TargetRef = z.output<typeof targetRef>;
export const targetRefs = z.array(targetRef).max(16);

export const attachment = { selector: workloadSelector.optional(), targetRefs: targetRefs.optional() };
export const onlyOneAttachment = <T extends z.ZodType<object>>(schema: T, fields: readonly string[]): T =>
  onlyOneOf(schema, fields, "only one of targetRefs or selector can be set");
export const ATTACHMENTS = ["selector", "targetRef", "targetRefs"] as const;

/** `networking.istio.io` and the others: what a controller writes. */
export const istioStatus = z.looseObject({
  conditions: z.unknown().optional(),
});
