import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** Any SPIFFE ID, whatever its path means. `path` is empty or starts with a slash. */
export interface SpiffeId {
  readonly trustDomain: string;
  readonly path: string;
}

const SCHEME = "spiffe://";
const MAX_CHARS = 2048;
const MAX_TRUST_DOMAIN_CHARS = 255;

/**
 * Parses a SPIFFE ID by the standard's grammar: no upper case in the trust domain, no percent encoding, no empty or dot
 * segments, no trailing slash, no port, user, query or fragment; at most 2048 characters.
 * @returns BAD_INPUT with the rule that is broken
 * @see SPIFFE-ID specification, section 2
 */
export function parseSpiffeId(text: string): Result<SpiffeId> {
  if (text === "") return bad(text, "it is empty");
  if (!text.startsWith(SCHEME)) return bad(text, "it does not start with spiffe://");
  if (text.length > MAX_CHARS) return bad(text, `it is longer than ${MAX_CHARS} characters`);
  const slash = text.indexOf("/", SCHEME.length);
  const trustDomain = slash < 0 ? text.slice(SCHEME.length) : text.slice(SCHEME.length, slash);
  const path = slash < 0 ? "" : text.slice(slash);
  const why = trustDomainProblem(trustDomain) ?? pathProblem(path);
  return why === null ? ok({ trustDomain, path }) : bad(text, why);
}

/**
 * Parses the name of a trust domain, or takes it from a whole SPIFFE ID.
 * @returns BAD_INPUT with the rule that is broken
 */
export function parseTrustDomain(text: string): Result<string> {
  if (text.includes(":/")) {
    const id = parseSpiffeId(text);
    return id.ok ? ok(id.value.trustDomain) : id;
  }
  const why = trustDomainProblem(text);
  return why === null
    ? ok(text)
    : fail(new MeshError(Code.BadInput, `Cannot parse trust domain ${shown(text)}: ${why}`));
}

export function formatSpiffeId(id: SpiffeId): string {
  return `${SCHEME}${id.trustDomain}${id.path}`;
}

function trustDomainProblem(name: string): string | null {
  if (name === "") return "the trust domain is missing";
  if (name.length > MAX_TRUST_DOMAIN_CHARS)
    return `the trust domain is longer than ${MAX_TRUST_DOMAIN_CHARS} characters`;
  for (let i = 0; i < name.length; i++)
    if (!isNameChar(name.charCodeAt(i), false))
      return "the trust domain may hold only lower-case letters, digits, dots, dashes and underscores";
  return null;
}

function pathProblem(path: string): string | null {
  if (path === "") return null;
  const segments = path.slice(1).split("/");
  const last = segments.length - 1;
  for (const [i, segment] of segments.entries()) {
    if (segment === "") return i === last ? "the path ends with a slash" : "the path has an empty segment";
    if (segment === "." || segment === "..") return "the path has a dot segment";
    for (let k = 0; k < segment.length; k++)
      if (!isNameChar(segment.charCodeAt(k), true))
        return "the path may hold only letters, digits, dots, dashes and underscores";
  }
  return null;
}

function isNameChar(c: number, upperCase: boolean): boolean {
  if ((c >= 0x61 && c <= 0x7a) || (c >= 0x30 && c <= 0x39)) return true;
  return c === 0x2d || c === 0x2e || c === 0x5f || (upperCase && c >= 0x41 && c <= 0x5a);
}

function bad(text: string, why: string): Result<never> {
  return fail(new MeshError(Code.BadInput, `Cannot parse SPIFFE ID ${shown(text)}: ${why}`));
}

function shown(text: string): string {
  return JSON.stringify(text.length <= 200 ? text : `${text.slice(0, 200)}…`);
}
