import { nearest } from "@lateen/errors";
import type { z } from "zod";

/**
 * What is wrong with a field, in words about the field; zod's own speak of input that is received.
 * @param value the whole object, in which the issue's path leads to the field
 */
export function messageOf(issue: z.core.$ZodIssue, value: unknown): string {
  const found = issue.path.reduce(entry, value);
  if (issue.code === "invalid_type") {
    if (found === undefined) return "is missing";
    return `must be ${typeWord(issue.expected)}, not ${typeof found === "number" ? String(found) : typeWord(typeName(found))}`;
  }
  if (issue.code === "invalid_key") return issue.issues[0]?.message ?? issue.message;
  if (issue.code === "too_small" || issue.code === "too_big") return sizeMessage(issue);
  if (issue.code !== "invalid_value") return issue.message;
  const names = issue.values.map(String);
  const must = `must be ${names.length === 1 ? (names[0] ?? "") : `one of ${names.join(", ")}`}`;
  if (found === undefined) return `is missing: ${must}`;
  const close = typeof found === "string" ? nearest(found.toUpperCase(), names) : null;
  return `${must}${close === null ? "" : `; did you mean ${close}?`}`;
}

/** What zod itself says of sizes, in other words; what a schema says of its own is left as it is. */
function sizeMessage(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  if (!/^Too (small|big):/.test(issue.message)) return issue.message;
  const [bound, limit] = issue.code === "too_small" ? ["at least", issue.minimum] : ["at most", issue.maximum];
  if (issue.origin === "string")
    return bound === "at least" && Number(limit) === 1 ? "must not be empty" : `must have ${bound} ${limit} characters`;
  if (issue.origin === "array") return `must have ${bound} ${limit} entries`;
  return `must be ${bound} ${limit}`;
}

function entry(of: unknown, step: PropertyKey): unknown {
  const known = typeof of === "object" && of !== null && Object.hasOwn(of, step);
  return known ? (of as Readonly<Record<PropertyKey, unknown>>)[step] : undefined;
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

const WORDS: Readonly<Record<string, string>> = {
  array: "a list",
  object: "an object",
  record: "an object",
  int: "a whole number",
  null: "null",
};

const typeWord = (type: string): string => WORDS[type] ?? `a ${type}`;
