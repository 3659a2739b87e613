import fc from "fast-check";
import { expect, test } from "vitest";
import { formatDuration, parseDurationMs } from "./duration.ts";

test.each([
  ["10s", 10_000],
  ["5m", 300_000],
  ["1h30m", 5_400_000],
  ["1h0m1s", 3_601_000],
  ["1.5s", 1_500],
  [".5s", 500],
  ["250ms", 250],
  ["1500us", 1.5],
  ["0", 0],
  ["0s", 0],
])("%s is %d ms", (text, ms) => expect(parseDurationMs(text)).toEqual({ ok: true, value: ms }));

test.each(["", "10", "s", "10 s", " 10s", "-5s", "+5s", "1h30", "10x", "1e3s", "1..5s", "99999999999999h", "5S", "m5"])(
  "%j is refused",
  (text) => expect(parseDurationMs(text)).toMatchObject({ ok: false, error: { code: "BAD_INPUT" } }),
);

test("whole milliseconds read back", () =>
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e12 }), (ms) => {
      expect(parseDurationMs(formatDuration(ms))).toEqual({ ok: true, value: ms });
    }),
  ));

test("arbitrary text never throws", () => fc.assert(fc.property(fc.string(), (text) => void parseDurationMs(text))));
