import { expect, test } from "vitest";
import { WINDOW_MS, WayHistogram, waysWithin } from "./way-histogram.ts";

test("shares are read within a twentieth, of the stretches that are asked for", () => {
  const quiet = new WayHistogram();
  const busy = new WayHistogram();
  for (let i = 1; i <= 1000; i++) {
    quiet.add(5 * WINDOW_MS, i / 100);
    busy.add(50 * WINDOW_MS + 1, i);
  }
  const all = [quiet.toJSON(), busy.toJSON()];
  const between = (from: number, to: number) => [{ fromMs: from * WINDOW_MS, toMs: to * WINDOW_MS }];
  const first = waysWithin(all, between(5, 6));
  expect(first.count).toBe(1000);
  expect(first.p99Ms).toBeCloseTo(9.9, 0);
  const second = waysWithin(all, between(40, 60));
  expect(second.count).toBe(1000);
  for (const [seen, is] of [
    [second.p50Ms, 500],
    [second.p99Ms, 990],
    [second.maxMs, 1000],
  ] as const)
    expect(Math.abs(seen / is - 1)).toBeLessThan(0.05);
});

test("a window that is not wholly within a stretch does not count", () => {
  const one = new WayHistogram();
  one.add(7 * WINDOW_MS + 3, 1);
  expect(waysWithin([one.toJSON()], [{ fromMs: 7 * WINDOW_MS + 1, toMs: 9 * WINDOW_MS }]).count).toBe(0);
});
