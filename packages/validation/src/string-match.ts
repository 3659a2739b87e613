import type { StringMatch } from "@lateen/resources";
import type { Findings } from "./findings.ts";
import { re2Problem } from "./re2-syntax.ts";

const MAX_REGEX = 1_024;

export function regexProblem(regex: string): string | null {
  if (regex === "") return "must not be empty";
  if (regex.length > MAX_REGEX) return `is longer than ${MAX_REGEX} characters`;
  return re2Problem(regex);
}

/** @param o.emptyPrefix whether a prefix may be empty, as that of a path */
export function checkStringMatch(
  match: StringMatch | undefined,
  f: Findings,
  o: { readonly emptyPrefix?: boolean } = {},
): void {
  if (match?.regex !== undefined) f.at("regex").check(regexProblem(match.regex));
  if (match?.prefix === "" && o.emptyPrefix !== true) f.at("prefix").error("must not be empty");
}
