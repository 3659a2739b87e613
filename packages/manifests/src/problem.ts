/** Something wrong with a file, an object in it or a field of that object. */
export interface Problem {
  /** A warning changes nothing that is heeded. */
  readonly severity: "error" | "warning";
  readonly file: string;
  /** From 1; 0 when the whole file is meant. */
  readonly line: number;
  readonly column: number;
  /** `AuthorizationPolicy shop/allow` as far as the object says it; empty when there is none. */
  readonly object: string;
  /** `spec.rules[0].to[0]`; empty for the object itself. */
  readonly path: string;
  readonly message: string;
}

/** One line: `policies/allow.yaml:14: AuthorizationPolicy shop/allow: spec.rules[0]: must not be empty`. */
export function formatProblem(problem: Problem): string {
  const place = problem.line > 0 ? `${problem.file}:${problem.line}` : problem.file;
  const parts = [place, problem.object, problem.path, problem.message].filter((part) => part !== "");
  return printable(parts.join(": "));
}

const MAX_LINE = 2_000;

/** Text of a stranger in a log line: no control characters, no end of line, not endless. */
export function printable(text: string): string {
  const cut = text.length > MAX_LINE ? `${text.slice(0, MAX_LINE)}…` : text;
  return cut.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (c) => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}
