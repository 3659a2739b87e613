import { describe, expect, test } from "vitest";
import { RestDetector } from "./rest-detector.ts";

/** Looks once for each figure: CPU milliseconds of that second. */
function looks(detector: RestDetector, start: number, perSecond: readonly number[]): readonly boolean[] {
  let cpuMs = start;
  return perSecond.map((ms) => detector.look((cpuMs += ms)));
}

describe("coming to rest", () => {
  test("is two quiet seconds after work", () => {
    expect(looks(new RestDetector(), 0, [600, 300, 3, 3])).toEqual([false, false, false, true]);
  });

  test("is not a single quiet second between busy ones", () => {
    expect(looks(new RestDetector(), 0, [600, 3, 300, 3, 300, 3])).not.toContain(true);
  });

  test("is nothing new for a process that did nothing", () => {
    expect(looks(new RestDetector(), 0, Array<number>(20).fill(3))).not.toContain(true);
  });

  test("comes again only after more work, and not at once", () => {
    const detector = new RestDetector();
    looks(detector, 0, [600, 3, 3]);
    detector.collected(700);
    expect(looks(detector, 700, Array<number>(40).fill(3))).not.toContain(true);
    expect(looks(detector, 900, [300, 3, 3])).toEqual([false, false, true]);
    detector.collected(1_300);
    expect(looks(detector, 1_300, [300, ...Array<number>(13).fill(3)])).not.toContain(true);
    expect(looks(detector, 1_639, [3])).toEqual([true]);
  });

  test("is waited for as long as it takes", () => {
    const seconds = [...Array<number>(100).fill(900), 3, 3];
    expect(looks(new RestDetector(), 0, seconds).lastIndexOf(true)).toBe(101);
  });
});
