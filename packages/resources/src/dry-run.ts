export const DRY_RUN_ANNOTATION = "istio.io/dry-run";

const TRUE: ReadonlySet<string> = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE: ReadonlySet<string> = new Set(["0", "f", "F", "FALSE", "false", "False"]);

/** Whether a policy is only to be reported on; null when the annotation is no boolean as Go reads them. */
export function isDryRun(annotations: Readonly<Record<string, string>> | undefined | null): boolean | null {
  const value = annotations?.[DRY_RUN_ANNOTATION];
  if (value === undefined || FALSE.has(value)) return false;
  return TRUE.has(value) ? true : null;
}
