const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const PART = /^(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/;
/** Go keeps durations as signed 64-bit nanoseconds. */
const MAX = 2n ** 63n - 1n;
const MAX_CHARS = 100;

/**
 * Nanoseconds of a duration as Go writes them: `1h30m`, `1.5s`, `-2ms`, `0`.
 * @returns null for any other text
 * @see https://pkg.go.dev/time#ParseDuration
 */
export function parseGoDuration(text: string): bigint | null {
  if (text.length > MAX_CHARS) return null;
  const sign = /^[-+]/.exec(text)?.[0] ?? "";
  let rest = text.slice(sign.length);
  if (rest === "0") return 0n;
  if (rest === "") return null;
  let total = 0n;
  while (rest !== "") {
    const [all, whole = "", fraction = "", unit = ""] = PART.exec(rest) ?? [];
    const scale = UNITS[unit];
    if (all === undefined || scale === undefined || (whole === "" && fraction === "")) return null;
    total += BigInt(whole === "" ? "0" : whole) * scale;
    if (fraction !== "") total += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length);
    if (total > MAX) return null;
    rest = rest.slice(all.length);
  }
  return sign === "-" ? -total : total;
}
