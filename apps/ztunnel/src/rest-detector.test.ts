import { describe, expect, test } from "vitest";
import { type AtRest, RestDetector } from "./rest-detector.ts";

/** Looks once for each figure: CPU milliseconds of that second. */
function looks(detector: RestDetector, start: number, perSecond: readonly number[]): readonly (AtRest | null)[] {
  let cpuMs = start;
  return perSecond.map((ms) => detector.look((cpuMs += ms), 2));
}
const quiet = (seconds: number): readonly number[] => Array<number>(seconds).fill(3);
const MINUTE = 60;
const SETTLED = 8;

/** One that has collected what the start left, and trimmed after it. @returns it, with 1,000 ms of CPU behind it */
function started(): RestDetector {
  const detector = new RestDetector();
  detector.collected(1_000);
  looks(detector, 1_000, Array<number>(SETTLED).fill(0));
  return detector;
}

describe("after the start", () => {
  test("the first pause collects", () => {
    expect(looks(new RestDetector(), 0, [600, 300, 3, 3])).toEqual([null, null, null, "collect"]);
  });

  test("a process that did nothing has nothing to collect", () => {
    expect(looks(new RestDetector(), 0, quiet(80)).filter(Boolean)).toEqual([]);
  });

  test("a machine that is too busy for us makes no pause of ours", () => {
    const detector = new RestDetector();
    detector.look(600, 0);
    expect([detector.look(603, 150), detector.look(606, 150), detector.look(609, 5)]).toEqual([null, null, null]);
    expect(detector.look(612, 5)).toBe("collect");
  });
});

describe("a load without a pause", () => {
  const busy = (seconds: number): readonly number[] => Array<number>(seconds).fill(900);
  const when = (seen: readonly (AtRest | null)[]): readonly unknown[] =>
    seen.flatMap((what, at) => (what === null ? [] : [[at + 1, what]]));

  test("from the start on lets the control thread collect, once, and no data thread", () => {
    const detector = new RestDetector();
    expect(when(looks(detector, 0, busy(5)))).toEqual([[5, "tidy"]]);
    detector.tidied(4_550);
    expect(when(looks(detector, 4_550, busy(19)))).toEqual([]);
  });

  test("gives back every 20 seconds", () => {
    const detector = new RestDetector();
    looks(detector, 0, busy(5));
    detector.tidied(4_550);
    expect(when(looks(detector, 4_550, busy(50)))).toEqual([
      [20, "trim"],
      [40, "trim"],
    ]);
  });

  test("may have quiet seconds in it, but a pause begins the 20 seconds anew", () => {
    const restless = Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? 600 : 3));
    expect(when(looks(started(), 1_000, restless))).toEqual([[20, "trim"]]);
    expect(when(looks(started(), 1_000, [...busy(18), 3, 3, ...busy(20)]))).toEqual([
      [18 + 2, "trim"], // in the pause
      [18 + 2 + 20, "trim"],
    ]);
  });

  test("leaves it to the data threads to collect at rest what the start left in them, as long as that takes", () => {
    const detector = new RestDetector();
    looks(detector, 0, busy(5));
    detector.tidied(4_550);
    const after = looks(detector, 4_550, quiet(MINUTE));
    expect(when(after)).toEqual([
      [SETTLED, "trim"],
      [MINUTE, "collect"],
    ]);
  });
});

describe("a pause", () => {
  test("is two quiet seconds after work", () => {
    expect(looks(started(), 1_000, [...quiet(20), 600, 3, 3]).filter(Boolean)).toEqual(["trim"]);
  });

  test("is not a single quiet second between busy ones", () => {
    expect(looks(started(), 1_000, [600, 3, 300, 3, 300, 3]).filter(Boolean)).toEqual([]);
  });

  test("gives back again only after more work, and not at once", () => {
    const detector = started();
    looks(detector, 1_000, [...quiet(20), 600, 3, 3]);
    expect(looks(detector, 1_666, quiet(40)).filter(Boolean)).toEqual([]);
    expect(looks(detector, 1_786, [300, 3, 3])).toEqual([null, null, "trim"]);
    expect(looks(detector, 2_092, [300, ...quiet(13)]).filter(Boolean)).toEqual([]);
    expect(looks(detector, 2_431, [3])).toEqual(["trim"]);
  });
});

describe("coming to rest", () => {
  test("is a quiet minute after work, and asks for a collection once", () => {
    const detector = started();
    const all = looks(detector, 1_000, [600, ...quiet(MINUTE)]);
    expect(all.indexOf("collect")).toBe(MINUTE);
    detector.collected(1_900);
    expect(looks(detector, 1_900, quiet(80))).not.toContain("collect");
  });

  test("begins anew with every busy second", () => {
    const seconds = [600, ...quiet(MINUTE - 1), 300, ...quiet(MINUTE)];
    expect(looks(started(), 1_000, seconds).indexOf("collect")).toBe(seconds.length - 1);
  });

  test("lets go once more of what the collection touched, when that has settled", () => {
    const detector = new RestDetector();
    detector.collected(900);
    const after = looks(detector, 900, [3, 100, ...quiet(20)]);
    expect(after.filter(Boolean)).toEqual(["trim"]);
    expect(after.indexOf("trim")).toBe(SETTLED - 1);
  });

  test("is waited for as long as it takes", () => {
    const seconds = [...Array<number>(100).fill(900), ...quiet(MINUTE)];
    expect(looks(started(), 1_000, seconds).indexOf("collect")).toBe(seconds.length - 1);
  });
});
