import { quoted } from "./findings.ts";

const ONE = "{*}";
const ANY = "{**}";
/** What RFC 3986 calls pchar. */
const LITERAL = /^[a-zA-Z0-9\-._~%!$&'()+,;:@=]+$/;

/**
 * A path of an operation: `{*}` stands for one segment and `{**}` for any number of them, once and after the others. Braces mean
 * nothing else. @see l7 6.4
 */
export function pathTemplateProblem(path: string): string | null {
  const isTemplate = path.includes(ONE) || path.includes(ANY);
  let any = false;
  for (const segment of path.replace(/^\/+|\/+$/g, "").split("/")) {
    if (segment === ONE || segment === ANY) {
      if (any) return `${quoted(path)}: nothing like ${segment} can follow ${ANY}`;
      any = segment === ANY;
    } else if (/[{}]/.test(segment)) return `${quoted(path)}: braces can only be ${ONE} or ${ANY}, as whole segments`;
    else if (isTemplate && !LITERAL.test(segment))
      return `${quoted(path)}: ${quoted(segment)} cannot be a segment of a template`;
  }
  return null;
}
