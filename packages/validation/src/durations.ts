import { parseGoDuration } from "@lateen/resources";

const MILLISECOND = 1_000_000n;
const SECOND = 1_000n * MILLISECOND;

/** At least a millisecond, and whole ones. */
export function durationProblem(text: string | undefined): string | null {
  if (text === undefined) return null;
  const ns = parseGoDuration(text);
  if (ns === null) return "is not a duration";
  if (ns < MILLISECOND) return "must be at least 1ms";
  return ns % MILLISECOND === 0n ? null : "must be whole milliseconds";
}

/** As `durationProblem`, and anything below a millisecond switches it off. */
export function durationOrOffProblem(text: string | undefined): string | null {
  const ns = parseGoDuration(text ?? "0");
  if (ns !== null && ns > -MILLISECOND && ns < MILLISECOND) return null;
  return durationProblem(text);
}

/** As `durationProblem`, and whole seconds. */
export function secondsProblem(text: string | undefined): string | null {
  const wrong = durationProblem(text);
  if (wrong !== null || text === undefined) return wrong;
  return (parseGoDuration(text) ?? 0n) % SECOND === 0n ? null : "must be whole seconds";
}
