import { FakeClock } from "@lateen/testkit";
import { describe, expect, test } from "vitest";
import { RateLimit, RateLimits } from "./rate-limit.ts";

describe("a rate limit", () => {
  test("has who comes too early wait for its turn, and turns away who would wait too long", () => {
    const clock = new FakeClock();
    const limit = new RateLimit(clock, { perSecond: 10, maxWaitMs: 200 });
    expect(Array.from({ length: 4 }, () => limit.take())).toEqual([0, 100, 200, null]);
    clock.advance(300);
    expect([limit.take(), limit.take()]).toEqual([0, 100]);
  });

  test("may let several through at once after a rest", () => {
    const clock = new FakeClock();
    const limit = new RateLimit(clock, { perSecond: 10, burst: 3 });
    expect(Array.from({ length: 4 }, () => limit.take())).toEqual([0, 0, 0, null]);
    clock.advance(100);
    expect([limit.take(), limit.take()]).toEqual([0, null]);
  });

  test("is each one's own, and no more are remembered than allowed", () => {
    const clock = new FakeClock();
    const limits = new RateLimits(() => new RateLimit(clock, { perSecond: 1 }), 2);
    expect(["a", "a", "b", "a", "c", "b"].map((key) => limits.of(key).take())).toEqual([0, null, 0, null, 0, 0]);
  });
});
