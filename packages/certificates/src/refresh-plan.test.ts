import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs, refreshDueMs, retryDueMs } from "./refresh-plan.ts";

test("a certificate is due at half of its life", () =>
  expect(refreshDueMs({ notBeforeMs: 1_000, notAfterMs: 3_000 })).toBe(2_000));

test("back-off doubles from 1 s to 150 s", () => {
  const middle = (): number => 0.5;
  expect([1, 2, 3, 8, 9, 50].map((n) => backoffMs(n, middle))).toEqual([
    1_000, 2_000, 4_000, 128_000, 150_000, 150_000,
  ]);
});

test("the first pause lies within 20 % of a second, and none is over the cap", () =>
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (n, chance) => {
        const first = backoffMs(1, () => chance);
        expect(first).toBeGreaterThanOrEqual(800);
        expect(first).toBeLessThanOrEqual(1_200);
        const ms = backoffMs(n, () => chance);
        expect(ms).toBeLessThanOrEqual(150_000);
        expect(ms).toBeGreaterThanOrEqual(800);
      },
    ),
  ));

test("a retry comes no later than the expiry of what is held", () => {
  const o = { nowMs: 1_000, failures: 9, random: () => 0.5 };
  expect(retryDueMs({ ...o, held: null })).toBe(151_000);
  expect(retryDueMs({ ...o, held: { notAfterMs: 5_000 } })).toBe(5_000);
  expect(retryDueMs({ ...o, held: { notAfterMs: 500 } })).toBe(151_000);
});
