import { describe, expect, test } from "vitest";
import { type AtRest, RestDetector } from "./rest-detector.ts";

/** Looks once for each figure: CPU milliseconds of that second. */
function looks(detector: RestDetector, start: number, perSecond: readonly number[]): readonly (AtRest | null)[] {
  let cpuMs = start;
  return perSecond.map((ms) => detector.look((cpuMs += ms), 2));
}
const quiet = (seconds: number): readonly number[] => Array<number>(seconds).fill(3);
const MINUTE = 60;

describe("a pause", () => {
  test("is two quiet seconds after work", () => {
    expect(looks(new RestDetector(), 0, [600, 300, 3, 3])).toEqual([null, null, null, "trim"]);
  });

  test("is not a single quiet second between busy ones", () => {
    expect(looks(new RestDetector(), 0, [600, 3, 300, 3, 300, 3]).filter(Boolean)).toEqual([]);
  });

  test("is nothing new for a process that did nothing", () => {
    expect(looks(new RestDetector(), 0, quiet(80)).filter(Boolean)).toEqual([]);
  });

  test("gives back again only after more work, and not at once", () => {
    const detector = new RestDetector();
    looks(detector, 0, [600, 3, 3]);
    expect(looks(detector, 606, quiet(40)).filter(Boolean)).toEqual([]);
    expect(looks(detector, 726, [300, 3, 3])).toEqual([null, null, "trim"]);
    expect(looks(detector, 1_032, [300, ...quiet(13)]).filter(Boolean)).toEqual([]);
    expect(looks(detector, 1_371, [3])).toEqual(["trim"]);
  });
});

describe("coming to rest", () => {
  test("is a quiet minute after work, and asks for a collection once", () => {
    const detector = new RestDetector();
    const all = looks(detector, 0, [600, ...quiet(MINUTE)]);
    expect(all.filter(Boolean)).toEqual(["trim", "collect"]);
    expect(all.indexOf("collect")).toBe(MINUTE);
    detector.collected(900);
    expect(looks(detector, 900, quiet(80))).not.toContain("collect");
  });

  test("begins anew with every busy second", () => {
    const seconds = [600, ...quiet(MINUTE - 1), 300, ...quiet(MINUTE)];
    expect(looks(new RestDetector(), 0, seconds).indexOf("collect")).toBe(seconds.length - 1);
  });

  test("lets go once more of what the collection touched, when that has settled", () => {
    const detector = new RestDetector();
    looks(detector, 0, [600, ...quiet(MINUTE)]);
    detector.collected(900);
    const after = looks(detector, 900, [3, 100, ...quiet(20)]);
    expect(after.filter(Boolean)).toEqual(["trim"]);
    expect(after.indexOf("trim")).toBe(7);
  });

  test("is not what a machine that is too busy for us makes of us", () => {
    const detector = new RestDetector();
    detector.look(600, 0);
    expect([detector.look(603, 150), detector.look(606, 150), detector.look(609, 5)]).toEqual([null, null, null]);
    expect(detector.look(612, 5)).toBe("trim");
  });

  test("is waited for as long as it takes", () => {
    const seconds = [...Array<number>(100).fill(900), ...quiet(MINUTE)];
    expect(looks(new RestDetector(), 0, seconds).indexOf("collect")).toBe(seconds.length - 1);
  });
});
