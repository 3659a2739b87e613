import fc from "fast-check";
import { expect, test } from "vitest";
import { createBackoff } from "./backoff.ts";

test("doubles up to the cap, and starts again after a reset", () => {
  const backoff = createBackoff({ baseMs: 100, maxMs: 500, random: () => 0 });
  expect([1, 2, 3, 4, 5].map(() => backoff.nextMs())).toEqual([100, 200, 400, 500, 500]);
  expect(backoff.attempts).toBe(5);
  backoff.reset();
  expect([backoff.attempts, backoff.nextMs()]).toEqual([0, 100]);
});

test("chance takes away at most the jitter's share, and the cap holds", () =>
  fc.assert(
    fc.property(
      fc.double({ min: 1, max: 1e4, noNaN: true }),
      fc.double({ min: 1, max: 100, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { maxLength: 20 }),
      (baseMs, spread, jitter, chances) => {
        const maxMs = baseMs * spread;
        let i = 0;
        const backoff = createBackoff({ baseMs, maxMs, jitter, random: () => chances[i++]! });
        for (const [n] of chances.entries()) {
          const full = Math.min(maxMs, baseMs * 2 ** n);
          const pause = backoff.nextMs();
          expect(pause).toBeLessThanOrEqual(full);
          expect(pause).toBeGreaterThanOrEqual(full * (1 - jitter) - 1e-9);
        }
      },
    ),
  ));

test.each([
  ["a base of 0", { baseMs: 0, maxMs: 1 }],
  ["a cap under the base", { baseMs: 2, maxMs: 1 }],
  ["a factor that shrinks", { baseMs: 1, maxMs: 1, factor: 0.5 }],
  ["jitter above 1", { baseMs: 1, maxMs: 1, jitter: 1.5 }],
  ["a base that is no number", { baseMs: NaN, maxMs: 1 }],
])("%s is refused", (_name, o) => {
  expect(() => createBackoff({ ...o, random: () => 0 })).toThrow(expect.objectContaining({ code: "BAD_INPUT" }));
});
