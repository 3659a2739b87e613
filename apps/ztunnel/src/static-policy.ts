import { parseCidr } from "@lateen/addresses";
import type { Authorization, Match, StringMatch } from "@lateen/policy";
import { z } from "zod";

const text = z.string();

/** `Exact: x`, `Prefix: x`, `Suffix: x` or `Presence: []`. */
const StringPredicate = z.union([
  z.strictObject({ Exact: text }).transform((m): StringMatch => ({ t: "exact", value: m.Exact })),
  z.strictObject({ Prefix: text }).transform((m): StringMatch => ({ t: "prefix", value: m.Prefix })),
  z.strictObject({ Suffix: text }).transform((m): StringMatch => ({ t: "suffix", value: m.Suffix })),
  z.strictObject({ Presence: z.unknown() }).transform((): StringMatch => ({ t: "presence" })),
]);

const Block = text.transform((value, context) => {
  const parsed = parseCidr(value);
  if (parsed.ok) return parsed.value;
  context.addIssue({ code: "custom", message: `${JSON.stringify(value.slice(0, 80))} is not an address or a block` });
  return z.NEVER;
});

const strings = z.array(StringPredicate).default([]);
const accounts = z.array(z.strictObject({ namespace: text, serviceAccount: text })).default([]);
const blocks = z.array(Block).default([]);
const ports = z.array(z.number().int().min(0).max(65_535)).default([]);

const camel = (key: string): string => key.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase());

/** Releases up to 1.21 write the keys of a match with underscores. */
const StaticMatch = z.preprocess(
  (value) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).map(([key, v]) => [camel(key), v as unknown]))
      : value,
  z.strictObject({
    namespaces: strings,
    notNamespaces: strings,
    principals: strings,
    notPrincipals: strings,
    serviceAccounts: accounts,
    notServiceAccounts: accounts,
    sourceIps: blocks,
    notSourceIps: blocks,
    destinationIps: blocks,
    notDestinationIps: blocks,
    destinationPorts: ports,
    notDestinationPorts: ports,
  }),
);

/** Rules are lists of clauses, which are lists of matches. */
const Rules = z.array(z.array(z.array(StaticMatch)));

/** A policy of a static configuration (dataplane 8.5). */
export const StaticPolicy = z
  .strictObject({
    name: text.min(1),
    namespace: text,
    scope: z.enum(["Global", "Namespace", "WorkloadSelector"]),
    action: z.enum(["Allow", "Deny"]),
    rules: Rules,
    dryRun: z.boolean().default(false),
  })
  .transform(({ rules, ...rest }): Authorization => ({
    ...rest,
    rules: rules.map((clauses: readonly (readonly Match[])[]) => ({
      clauses: clauses.map((matches) => ({ matches })),
    })),
  }));
