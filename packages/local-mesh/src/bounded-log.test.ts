import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { FakeClock } from "@lateen/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { lastLines, logTail, openBoundedLog } from "./bounded-log.ts";

let folder = "";
beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), "lateen-log-"))));
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => path.join(folder, name);

test("keeps to its size, and the last lines stay readable", () => {
  using log = openBoundedLog(at("a"), 100);
  for (let i = 0; i < 50; i++) log.write(`line ${String(i).padStart(3, "0")}\n`);
  expect(fs.statSync(at("a")).size + fs.statSync(at("a.1")).size).toBeLessThanOrEqual(200);
  const tail = logTail(at("a"));
  expect(tail.endsWith("line 049\n")).toBe(true);
  expect(tail.split("\n").every((l) => l === "" || /^line \d{3}$/.test(l))).toBe(true);
});

test("goes on in the file that is there", () => {
  openBoundedLog(at("a")).write("one\n");
  openBoundedLog(at("a")).write("two\n");
  expect(logTail(at("a"))).toBe("one\ntwo\n");
});

test("a tail begins with a whole line", () => {
  using log = openBoundedLog(at("a"));
  log.write("first line\nsecond line\n");
  expect(logTail(at("a"), 15)).toBe("second line\n");
});

describe("a folder that is gone", () => {
  const LOST = /^-- lines are missing here: ENOENT.*\n$/;

  test("loses lines, says so, and followers still hear", () => {
    using log = openBoundedLog(at("gone/a"));
    const heard: unknown[] = [];
    using _following = log.follow((chunk) => heard.push(chunk));
    log.write("lost\n");
    expect(log.failure).toContain("ENOENT");
    expect(heard).toEqual(["lost\n"]);
    fs.mkdirSync(at("gone"));
    log.write("kept\n");
    expect(log.failure).toBeNull();
    const [notice = "", ...kept] = logTail(at("gone/a")).split(/(?<=\n)/);
    expect([LOST.test(notice), kept]).toEqual([true, ["kept\n"]]);
  });

  test("and comes back is noticed, also when nobody writes", () => {
    const clock = new FakeClock();
    using log = openBoundedLog(at("gone/a"), 1_000, clock);
    log.write("lost\n");
    clock.advance(5_000);
    expect(log.failure).toContain("ENOENT");
    fs.mkdirSync(at("gone"));
    clock.advance(1_000);
    expect(log.failure).toBeNull();
    expect(logTail(at("gone/a"))).toMatch(LOST);
    clock.advance(5_000);
    expect(logTail(at("gone/a"))).toMatch(LOST);
  });
});

test("there is no log yet", () => expect(logTail(at("none"))).toBe(""));

test.each([
  ["a\nb\nc\n", 2, "b\nc\n"],
  ["a\nb\nc", 2, "b\nc"],
  ["a\nb\n", 5, "a\nb\n"],
  ["a\n", 1, "a\n"],
  ["\n\n", 1, "\n"],
  ["", 3, ""],
  ["a\nb\n", 0, ""],
])("the last lines of %j, %i of them, are %j", (text, count, want) => {
  expect(lastLines(text, count)).toBe(want);
});
