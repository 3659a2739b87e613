import { describe, expect, test } from "vitest";
import { nearest, suggest } from "./nearest.ts";

const names = ["catalog", "frontend", "reports", "status"];

describe("the nearest name", () => {
  test.each([
    ["catlog", "catalog"],
    ["cataloog", "catalog"],
    ["front", "frontend"],
    ["stauts", "status"],
    ["tsatus", "status"],
    ["statuss", "status"],
    ["rpeorts", "reports"],
    ["status", "status"],
    ["f", null],
    ["", null],
    ["database", null],
    ["x".repeat(200), null],
  ])("of %j is %j", (word, want) => {
    expect(nearest(word, names)).toBe(want);
  });

  test("is the first of several as near", () => {
    expect(nearest("cat", ["bat", "rat"])).toBe("bat");
    expect(nearest("no", ["node-1", "node-2"])).toBe("node-1");
    expect(nearest("wbe", ["db", "web"])).toBe("web");
  });
});

test.each([
  ["catlog", names, 'did you mean "catalog"?'],
  ["zzz", names, "there are catalog, frontend, reports, status"],
  ["zzz", ["one"], "there is only one"],
  ["zzz", [], "there is none"],
  ["zzz", Array.from({ length: 10 }, (_, i) => `pod-${i}`), /^there are pod-0, .*pod-7 and 2 more$/],
])("%s among %j", (word, among, want) => {
  expect(suggest(word, among)).toEqual(typeof want === "string" ? want : expect.stringMatching(want));
});
