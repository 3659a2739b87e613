import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TimerWheel } from "./timer-wheel.ts";

const STEP = 8;

describe("a timer wheel", () => {
  test("runs each timer once, never early, at most one step late after a look, and none that was cancelled", () => {
    const timer = fc.record({
      at: fc.nat(20_000),
      ms: fc.double({ min: 0, max: 15_000, noNaN: true }),
      cancelAt: fc.option(fc.nat(20_000)),
    });
    fc.assert(
      fc.property(
        fc.array(timer, { maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1 }),
        (timers, steps) => {
          const wheel = new TimerWheel(3, STEP, 64);
          const ran = new Map<number, number>();
          const cancels: (() => void)[] = [];
          const cancelled = new Map<number, number>();
          let now = 3;
          for (let i = 0; now < 60_000; i++) {
            const before = now;
            now += steps[i % steps.length]!;
            for (const [id, t] of timers.entries()) {
              if (t.at >= before && t.at < now) cancels[id] = wheel.after(t.at, t.ms, () => ran.set(id, now));
              if (t.cancelAt !== null && t.cancelAt >= before && t.cancelAt < now && !ran.has(id) && cancels[id]) {
                cancels[id]();
                cancels[id]();
                cancelled.set(id, now);
              }
            }
            wheel.advance(now, (run) => run());
          }
          for (const [id, t] of timers.entries()) {
            const at = ran.get(id);
            if (t.at < 3) continue;
            if (cancelled.has(id)) expect(at).toBeUndefined();
            else expect(at).toBeGreaterThanOrEqual(t.at + t.ms);
          }
          expect(wheel.size).toBe(0);
        },
      ),
    );
  });

  test("says how long to wait: no timer is slept past", () => {
    const wheel = new TimerWheel(0, STEP, 64);
    expect(wheel.nextMs()).toBe(Infinity);
    let ran = 0;
    const cancel = wheel.after(0, 100, () => (ran += 1));
    wheel.after(0, 10_000, () => (ran += 10));
    let now = 0;
    for (let looks = 0; ran === 0; looks++) {
      now = wheel.nextMs();
      wheel.advance(now, (run) => run());
      expect(looks).toBeLessThan(3);
    }
    expect(now).toBeGreaterThanOrEqual(100);
    expect(now).toBeLessThan(100 + 2 * STEP);
    cancel();
    for (let looks = 0; ran === 1; looks++) {
      now = Math.max(now + 1, wheel.nextMs());
      wheel.advance(now, (run) => run());
      expect(looks).toBeLessThan(100);
    }
    expect(ran).toBe(11);
    expect(now).toBeLessThan(10_000 + 2 * STEP);
    expect(wheel.nextMs()).toBe(Infinity);
  });

  test("a timer may cancel and add others while it runs", () => {
    const wheel = new TimerWheel(0, STEP, 64);
    const log: string[] = [];
    let cancelSecond = (): void => {};
    wheel.after(0, 10, () => {
      log.push("first");
      cancelSecond();
      wheel.after(16, 0, () => log.push("third"));
    });
    cancelSecond = wheel.after(0, 10, () => log.push("second"));
    wheel.advance(16, (run) => run());
    expect(log).toEqual(["first"]);
    wheel.advance(24, (run) => run());
    expect(log).toEqual(["first", "third"]);
  });
});
