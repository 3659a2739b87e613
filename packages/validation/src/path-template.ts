import { quoted } from "./findings.ts";

const ONE = "{*}";
const ANY = "{**}";
/** What RFC 3986 calls pchar, without the star. */
const LITERAL = /^[a-zA-Z0-9\-._~%!$&'()+,;:@=]+$/;

/** Whether a path holds a wildcard of segments. */
export const isPathTemplate = (path: string): boolean => path.includes(ONE) || path.includes(ANY);
/** Whether a text can be a segment of a template that stands for itself. */
export const isPathLiteral = (segment: string): boolean => LITERAL.test(segment);

/**
 * A path of an operation: `{*}` stands for one segment and `{**}` for any number of them, once and after the others. Braces mean
 * nothing else. @see l7 6.4
 */
export function pathTemplateProblem(path: string): string | null {
  const isTemplate = isPathTemplate(path);
  let any = false;
  for (const segment of path.replace(/^\/+|\/+$/g, "").split("/")) {
    if (segment === ONE || segment === ANY) {
      if (any) return `${quoted(path)}: nothing like ${segment} can follow ${ANY}`;
      any = segment === ANY;
    } else if (/[{}]/.test(segment)) return `${quoted(path)}: braces can only be ${ONE} or ${ANY}, as whole segments`;
    else if (isTemplate && !isPathLiteral(segment))
      return `${quoted(path)}: ${quoted(segment)} cannot be a segment of a template`;
  }
  return null;
}
