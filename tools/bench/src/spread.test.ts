import { describe, expect, test } from "vitest";
import { formatSpread, percentile, ratioSpread, spread } from "./spread.ts";

describe("spread", () => {
  test("takes the middle of an odd number of rounds and the mean of the two middles of an even one", () => {
    expect(spread([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3 });
    expect(spread([4, 1, 2, 3])).toEqual({ min: 1, median: 2.5, max: 4 });
  });

  test("refuses to summarise nothing", () => {
    expect(() => spread([])).toThrow("no value");
  });

  test("divides round by round, leaving out rounds that one side lacks", () => {
    expect(ratioSpread([2, 9, 5], [1, 3])).toEqual({ min: 2, median: 2.5, max: 3 });
    expect(ratioSpread([1], [])).toBeNull();
  });

  test("prints as many digits as the size deserves", () => {
    expect(formatSpread({ min: 0.123, median: 12.34, max: 1234.5 })).toBe("12.3 (0.12–1235)");
  });

  test("finds percentiles by nearest rank", () => {
    const values = Array.from({ length: 100 }, (_, i) => i + 1);
    expect([percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1)]).toEqual([50, 99, 100]);
  });
});
