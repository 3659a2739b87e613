import type { HeaderOperations, Headers } from "@lateen/resources";
import { type Findings, quoted } from "./findings.ts";

/** RFC 9110: tokens. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const STRICT = /^[-_A-Za-z0-9]+$/;
const PSEUDO: ReadonlySet<string> = new Set([":method", ":scheme", ":authority", ":path", ":status"]);
const CLAIMS = "@request.auth.claims";

const named = (holds: boolean, name: string): string | null =>
  holds ? null : `${quoted(name)} is not the name of a header`;

export const strictHeaderNameProblem = (name: string): string | null => named(STRICT.test(name), name);
export const corsHeaderNameProblem = (name: string): string | null => named(TOKEN.test(name), name);

/** Whether a header of a match stands for a claim of the request's token: `@request.auth.claims.a`, `…claims[a][b]`. */
export function isClaim(name: string): boolean {
  if (!name.toLowerCase().startsWith(CLAIMS)) return false;
  const rest = name.slice(CLAIMS.length);
  return (rest.startsWith(".") && rest.length > 1) || (/^\[[^]*\]$/.test(rest) && rest.length > 2);
}

/** Of a match: a header, a pseudo header or a claim. */
export const matchedHeaderProblem = (name: string): string | null =>
  named(isClaim(name) || PSEUDO.has(name) || TOKEN.test(name), name);

export const isAuthority = (name: string): boolean => /^(:authority|host)$/i.test(name);

function changedHeaderProblem(name: string, authority: "allowed" | "refused"): string | null {
  if (name === "") return "the name of a header must not be empty";
  if (isAuthority(name) && (authority === "allowed" || name.startsWith(":")))
    return authority === "allowed" ? null : `${quoted(name)} cannot be changed here`;
  if (name.startsWith(":") || name.toLowerCase() === "host") return `${quoted(name)} cannot be changed here`;
  return null;
}

/** What a route adds to, sets and takes away from requests and responses. @see l7 2.3.5 */
export function checkHeaders(headers: Headers | undefined, f: Findings): void {
  checkOperations(headers?.request, f.at("request"), "allowed");
  checkOperations(headers?.response, f.at("response"), "refused");
}

function checkOperations(
  operations: HeaderOperations | undefined,
  f: Findings,
  authority: "allowed" | "refused",
): void {
  for (const field of ["add", "set"] as const)
    for (const [name, value] of Object.entries(operations?.[field] ?? {})) {
      f.at(field, name).check(changedHeaderProblem(name, authority));
      f.at(field, name).check(headerValueProblem(value));
    }
  for (const [i, name] of (operations?.remove ?? []).entries())
    f.at("remove", i).check(changedHeaderProblem(name, "refused"));
}

const CONTROL = /[\u0000-\u0008\u000A-\u001F\u007F]/;

/**
 * A value with commands of Envoy: `%COMMAND%`, `%COMMAND(ARGUMENTS)%`, and `%%` for a percent sign. Which commands there are is
 * Envoy's affair.
 */
export function headerValueProblem(value: string): string | null {
  if (CONTROL.test(value)) return "holds a control character";
  for (let at = value.indexOf("%"); at >= 0; at = value.indexOf("%", at)) {
    const end = value[at + 1] === "%" ? at + 2 : endOfCommand(value, at + 1);
    if (end === null) return `${quoted(value)}: write a percent sign as "%%"`;
    at = end;
  }
  return null;
}

/** Where a command ends that begins at `from`, behind its closing `%`; null when it does not. */
function endOfCommand(value: string, from: number): number | null {
  if (from >= value.length) return null;
  const [name = ""] = /^[^%(]*/.exec(value.slice(from)) ?? [];
  let at = from + name.length;
  if (value[at] === "(") {
    const close = endOfArguments(value, at + 1);
    if (close === null) return null;
    at = skipSpaces(value, close);
  }
  return value[at] === "%" ? at + 1 : null;
}

function skipSpaces(value: string, from: number): number {
  let at = from;
  while (value[at] === " ") at++;
  return at;
}

/** What may follow: text up to a quote or the end, a comma or the end of the list, a quoted text, the end of all. */
type Expected = "text" | "next" | "quote" | "close";

/** Where arguments end, behind their parenthesis: one bare text, or a list of quoted ones, as Envoy reads them. */
function endOfArguments(value: string, from: number): number | null {
  let at = skipSpaces(value, from);
  let expected: Expected = value[at] === "[" ? "quote" : "text";
  for (at += 1; at < value.length; at++) {
    const c = value[at] ?? "";
    if (expected === "text") {
      if (c === "\\") at++;
      else if (c === ")") return at + 1;
      else if (c === '"') expected = "next";
    } else if (expected === "close" && c === ")") return at + 1;
    else if (c !== " ") {
      const then: Expected | undefined = FOLLOWS[expected][c];
      if (then === undefined) return null;
      expected = then;
    }
  }
  return null;
}

const FOLLOWS: Readonly<Record<Expected, Readonly<Record<string, Expected>>>> = {
  text: {},
  next: { ",": "quote", "]": "close" },
  quote: { '"': "text" },
  close: {},
};
