import { describe, expect, test } from "vitest";
import { type AtRest, RestDetector } from "./rest-detector.ts";

/** Looks once for each figure: CPU milliseconds of that second. */
function looks(detector: RestDetector, start: number, perSecond: readonly number[]): readonly (AtRest | null)[] {
  let cpuMs = start;
  return perSecond.map((ms) => detector.look((cpuMs += ms), 2));
}
const quiet = (seconds: number): readonly number[] => Array<number>(seconds).fill(3);

describe("coming to rest", () => {
  test("is two quiet seconds after work", () => {
    expect(looks(new RestDetector(), 0, [600, 300, 3, 3])).toEqual([null, null, null, "collect"]);
  });

  test("is not a single quiet second between busy ones", () => {
    expect(looks(new RestDetector(), 0, [600, 3, 300, 3, 300, 3])).not.toContain("collect");
  });

  test("is nothing new for a process that did nothing", () => {
    expect(looks(new RestDetector(), 0, quiet(20)).filter(Boolean)).toEqual([]);
  });

  test("comes again only after more work, and not at once", () => {
    const detector = new RestDetector();
    looks(detector, 0, [600, 3, 3]);
    detector.collected(700);
    expect(looks(detector, 700, quiet(40))).not.toContain("collect");
    expect(looks(detector, 900, [300, 3, 3])).toEqual([null, null, "collect"]);
    detector.collected(1_300);
    expect(looks(detector, 1_300, [300, ...quiet(13)])).not.toContain("collect");
    expect(looks(detector, 1_639, [3])).toEqual(["collect"]);
  });

  test("lets go once more of what the collection touched, when that has settled", () => {
    const detector = new RestDetector();
    looks(detector, 0, [600, 3, 3]);
    detector.collected(700);
    const after = looks(detector, 700, [3, 100, ...quiet(20)]);
    expect(after.filter(Boolean)).toEqual(["trim"]);
    expect(after.indexOf("trim")).toBe(7);
  });

  test("is not what a machine that is too busy for us makes of us", () => {
    const detector = new RestDetector();
    detector.look(600, 0);
    expect([detector.look(603, 150), detector.look(606, 150), detector.look(609, 5)]).toEqual([null, null, null]);
    expect(detector.look(612, 5)).toBe("collect");
  });

  test("is waited for as long as it takes", () => {
    const seconds = [...Array<number>(100).fill(900), 3, 3];
    expect(looks(new RestDetector(), 0, seconds).indexOf("collect")).toBe(101);
  });
});
