/** Slots of a histogram for each doubling: a figure read from it is at most 5 % too high. */
const PER_DOUBLING = 16;
/** Of time: what was sent in the same window is counted together. */
export const WINDOW_MS = 100;

/** Counts of ways by slot, of one window. */
type Slots = Record<string, number>;

const slotOf = (ms: number): number => Math.round(PER_DOUBLING * Math.log2(Math.max(0, ms) + 1));
const msOf = (slot: number): number => 2 ** (slot / PER_DOUBLING) - 1;

/** How long pieces of data were on their way, by when they were sent: small however many there are. */
export class WayHistogram {
  readonly #windows = new Map<number, Slots>();

  /** @param atMs when it was sent, since 1970 */
  add(atMs: number, tookMs: number): void {
    const window = Math.floor(atMs / WINDOW_MS);
    const slots = this.#windows.get(window) ?? {};
    this.#windows.set(window, slots);
    const slot = slotOf(tookMs);
    slots[slot] = (slots[slot] ?? 0) + 1;
  }

  toJSON(): readonly (readonly [window: number, slots: Slots])[] {
    return [...this.#windows];
  }
}

/** A stretch of time, since 1970. */
export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Ways {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** What was sent within the stretches, of all histograms together. */
export function waysWithin(
  histograms: readonly ReturnType<WayHistogram["toJSON"]>[],
  stretches: readonly Stretch[],
): Ways {
  const counts = new Map<number, number>();
  for (const [window, slots] of histograms.flat()) {
    const at = window * WINDOW_MS;
    if (!stretches.some(({ fromMs, toMs }) => at >= fromMs && at + WINDOW_MS <= toMs)) continue;
    for (const [slot, count] of Object.entries(slots))
      counts.set(Number(slot), (counts.get(Number(slot)) ?? 0) + count);
  }
  const sorted = [...counts].sort(([a], [b]) => a - b);
  const count = sorted.reduce((n, [, c]) => n + c, 0);
  const at = (share: number): number => {
    let below = 0;
    for (const [slot, c] of sorted) {
      below += c;
      if (below >= share * count) return msOf(slot);
    }
    return Number.NaN;
  };
  return { count, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}
