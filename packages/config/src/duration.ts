import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

const UNIT_MS = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1, us: 1e-3, µs: 1e-3, μs: 1e-3, ns: 1e-6 } as const;
type Unit = keyof typeof UNIT_MS;

/** About 292 years, the most that the Go programs we share settings with can hold. */
const MAX_MS = 9_223_372_036_854;
const PART = /(\d{1,16}(?:\.\d{0,9})?|\.\d{1,9})(h|ms|m|s|us|µs|μs|ns)/y;

/**
 * Milliseconds of a duration such as `10s`, `5m`, `1h30m`, `1.5s`, `250ms` or `0`. Units h, m, s, ms, us, ns; each number
 * needs one, save 0. No sign, no white space.
 */
export function parseDurationMs(text: string): Result<number> {
  if (text === "0") return ok(0);
  let totalMs = 0;
  let at = 0;
  while (at < text.length) {
    PART.lastIndex = at;
    const m = PART.exec(text);
    if (m === null) break;
    totalMs += Number(m[1]) * UNIT_MS[m[2] as Unit];
    at = PART.lastIndex;
  }
  if (text === "" || at < text.length || totalMs > MAX_MS) {
    const why = totalMs > MAX_MS ? "is too long" : `is not a duration such as 10s, 5m or 1h30m`;
    return fail(new MeshError(Code.BadInput, `Cannot parse duration: ${JSON.stringify(text.slice(0, 60))} ${why}`));
  }
  return ok(totalMs);
}

/** The shortest text of whole milliseconds that `parseDurationMs` reads back: `1h30m`, `250ms`, `0s`. */
export function formatDuration(ms: number): string {
  let rest = Math.max(0, Math.round(ms));
  let out = "";
  for (const unit of ["h", "m", "s", "ms"] as const) {
    const n = Math.floor(rest / UNIT_MS[unit]);
    rest -= n * UNIT_MS[unit];
    if (n > 0) out += `${n}${unit}`;
  }
  return out === "" ? "0s" : out;
}
