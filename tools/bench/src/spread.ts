/** What several rounds of one figure gave. Neighbours steal time on shared machines, so a figure is never one number. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** @throws RangeError without values */
export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError("Cannot summarise rounds: there is no value");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { min: sorted[0]!, median, max: sorted.at(-1)! };
}

/** The ratio of two figures round by round, so that a slow round is slow on both sides. */
export function ratioSpread(of: readonly number[], to: readonly number[]): Spread | null {
  const ratios = of.flatMap((value, round) => (to[round] ? [value / to[round]] : []));
  return ratios.length === 0 ? null : spread(ratios);
}

const short = (n: number): string =>
  Math.abs(n) >= 100 ? n.toFixed(0) : Math.abs(n) >= 10 ? n.toFixed(1) : n.toFixed(2);

/** `median (min–max)` with as many digits as the size deserves. */
export function formatSpread(s: Spread): string {
  return `${short(s.median)} (${short(s.min)}–${short(s.max)})`;
}

/** The value that `share` (0..1) of the sorted values do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}
