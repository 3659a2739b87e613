import { expect, test } from "vitest";
import { FakeClock } from "./fake-clock.ts";

test("timers run in order of time, then of setting, and see the time they were set for", () => {
  const clock = new FakeClock(1_000);
  const seen: string[] = [];
  const note = (what: string) => () => void seen.push(`${what}@${clock.nowMs()}`);
  clock.after(20, note("late"));
  clock.after(10, note("first"));
  clock.after(10, note("second"));
  clock.advance(15);
  expect(seen).toEqual(["first@1010", "second@1010"]);
  expect(clock.nextInMs).toBe(5);
  clock.advance(5);
  expect(seen.at(-1)).toBe("late@1020");
  expect(clock.nextInMs).toBeNull();
});

test("a timer set by a timer runs in the same advance when it is due", () => {
  const clock = new FakeClock(0);
  const seen: number[] = [];
  const again = (): void => {
    seen.push(clock.nowMs());
    clock.after(10, again);
  };
  clock.after(10, again);
  clock.advance(35);
  expect(seen).toEqual([10, 20, 30]);
  expect(clock.pending).toBe(1);
});

test("a disposed timer never runs", () => {
  const clock = new FakeClock(0);
  clock.after(1, () => expect.unreachable())[Symbol.dispose]();
  clock.advance(10);
  expect(clock.pending).toBe(0);
});

test("advanceAsync lets a waiting loop take every turn", async () => {
  const clock = new FakeClock(0);
  let turns = 0;
  const loop = async (): Promise<void> => {
    while (turns < 3) {
      await new Promise<void>((resolve) => void clock.after(10, resolve));
      turns++;
    }
  };
  const done = loop();
  await clock.advanceAsync(30);
  await done;
  expect(turns).toBe(3);
});
