import { type Findings, quoted } from "./findings.ts";
import { isDnsLabel } from "./names.ts";

const [OWN, ALL, NOBODY] = [".", "*", "~"];

/**
 * To which namespaces an object is visible.
 * @param o.nobody whether `~` is allowed, as for a ServiceEntry
 * @param o.onlyOwn whether it may not leave its namespace, as a DestinationRule with a selector
 */
export function checkExportTo(
  exportTo: readonly string[] | undefined,
  f: Findings,
  o: { readonly namespace: string; readonly nobody?: boolean; readonly onlyOwn?: boolean },
): void {
  const seen = new Set<string>();
  for (const [i, entry] of (exportTo ?? []).entries()) {
    const key = entry === OWN ? o.namespace : entry;
    const wrong = entry === OWN ? null : entryProblem(entry, o.nobody === true);
    if (seen.has(key)) f.at(i).error(`${quoted(entry)} stands twice`);
    else if (wrong !== null) f.at(i).error(wrong);
    else seen.add(key);
  }
  const many = (exportTo?.length ?? 0) > 1;
  if (many && seen.has(ALL)) f.error('"*" is everybody: nothing can stand beside it');
  if (many && seen.has(NOBODY)) f.error('"~" is nobody: nothing can stand beside it');
  if (o.onlyOwn === true && seen.size > 0 && !(seen.size === 1 && seen.has(o.namespace)))
    f.error("with a selector it applies in its own namespace only");
}

function entryProblem(entry: string, nobody: boolean): string | null {
  if (entry === ALL || (entry === NOBODY && nobody)) return null;
  if (entry === NOBODY) return '"~" is for a ServiceEntry only';
  return isDnsLabel(entry) ? null : `${quoted(entry)} is not a namespace, "." or "*"`;
}
