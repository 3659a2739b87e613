import { z } from "zod";

/** Longest text that any field takes. */
const MAX_TEXT = 65_536;
/** Most entries of any list or map of an object. */
export const MAX_ITEMS = 10_000;

export const text = z.string().max(MAX_TEXT);
export const list = <T extends z.ZodType>(of: T): z.ZodArray<T> => z.array(of).max(MAX_ITEMS);
export const textMap = z.record(z.string().max(512), text).refine((map) => Object.keys(map).length <= MAX_ITEMS, {
  message: `has more than ${MAX_ITEMS} entries`,
});

/** RFC 1123: what Kubernetes takes as a name. */
export const dnsName = z
  .string()
  .min(1, "must not be empty")
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, "must be lower-case letters, digits, '-' or '.', as in DNS");
export const dnsLabel = z
  .string()
  .min(1, "must not be empty")
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, "must be lower-case letters, digits or '-', at most 63");

/** A label key: an optional DNS prefix and a name. */
const labelKey = z
  .string()
  .max(317)
  .regex(/^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, "is not a label key");
const labelValue = z
  .string()
  .max(63, "a label value has at most 63 characters")
  .regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/, "is not a label value");
export const labels = z.record(labelKey, labelValue);

export const port = z.number().int().min(1, "is not a port").max(65_535, "is not a port");

/** An IANA service name, as ports of containers are called. */
export const portName = z
  .string()
  .max(63)
  .regex(/^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$/, "is not a port name");

const ownerReference = z.looseObject({
  kind: text,
  name: text,
  controller: z.boolean().optional(),
});

/** `metadata` of every kind; fields that nobody here reads are let through. */
export const objectMeta = z.looseObject({
  name: dnsName,
  generateName: text.optional(),
  namespace: dnsLabel.optional(),
  uid: text.optional(),
  generation: z.number().int().min(0).optional(),
  creationTimestamp: text.nullable().optional(),
  deletionTimestamp: text.nullable().optional(),
  labels: labels.nullable().optional(),
  annotations: textMap.nullable().optional(),
  ownerReferences: list(ownerReference).optional(),
});
export type ObjectMeta = z.output<typeof objectMeta>;

const expression = z
  .strictObject({
    key: labelKey,
    operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
    values: list(labelValue).optional(),
  })
  .refine((e) => (e.operator === "In" || e.operator === "NotIn") === (e.values?.length ?? 0) > 0, {
    message: "In and NotIn need values, Exists and DoesNotExist take none",
    path: ["values"],
  });
/** A Kubernetes label selector. */
export const labelSelector = z.looseObject({
  matchLabels: labels.optional(),
  matchExpressions: list(expression).optional(),
});
export type LabelSelector = z.output<typeof labelSelector>;

/** Kept as they stand, for whoever writes them; a strange one must not make its object unreadable. */
export const statusConditions = z.unknown().optional();
