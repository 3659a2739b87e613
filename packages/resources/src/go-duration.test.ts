import { expect, test } from "vitest";
import { parseGoDuration } from "./go-duration.ts";

test.each([
  ["0", 0n],
  ["0s", 0n],
  ["1s", 1_000_000_000n],
  ["1.5s", 1_500_000_000n],
  ["1h30m", 5_400_000_000_000n],
  ["-2ms", -2_000_000n],
  ["+3us", 3_000n],
  [".5m", 30_000_000_000n],
  ["1.s", 1_000_000_000n],
  ["2.000000042s", 2_000_000_042n],
  ["0.0000000001s", 0n],
  ["", null],
  ["s", null],
  [".s", null],
  ["1", null],
  ["1 s", null],
  ["1d", null],
  ["apple", null],
  ["--1s", null],
  ["1s\n", null],
  ["9223372036s", 9_223_372_036_000_000_000n],
  ["9223372037s", null],
  [`${"9".repeat(200)}s`, null],
])("%j is %s", (text, want) => expect(parseGoDuration(text)).toBe(want));
