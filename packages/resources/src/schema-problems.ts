import type { z } from "zod";
import { messageOf } from "./field-message.ts";
import type { FieldProblem } from "./field-problem.ts";
import { LIMITS } from "./plain-copy.ts";

/**
 * What a schema found wrong, field by field, in our words. At most `LIMITS.problems`, and how many more.
 * @param value that the schema was given
 */
export function schemaProblems(error: z.core.$ZodError, value: unknown): readonly FieldProblem[] {
  const problems = error.issues.flatMap((issue): readonly FieldProblem[] => {
    const path = issue.path.map((step) => (typeof step === "number" ? step : String(step)));
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => ({ path: [...path, key], message: "is not a known field" }));
    return [{ path, message: messageOf(issue, value) }];
  });
  return atMost(problems);
}

/** The first `LIMITS.problems`, and how many more. */
export function atMost(problems: readonly FieldProblem[]): readonly FieldProblem[] {
  if (problems.length <= LIMITS.problems) return problems;
  return [
    ...problems.slice(0, LIMITS.problems),
    { path: [], message: `and ${problems.length - LIMITS.problems} more problems` },
  ];
}
