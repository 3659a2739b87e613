import { FakeClock } from "@lateen/testkit";
import { expect, test } from "vitest";
import { sleep, systemClock } from "./clock.ts";

test("sleep ends on time", async () => {
  const clock = new FakeClock(0);
  const slept = sleep(10, { clock });
  clock.advance(10);
  await slept;
  expect(clock.pending).toBe(0);
});

test("an aborted sleep throws the reason and keeps no timer", async () => {
  const clock = new FakeClock(0);
  const controller = new AbortController();
  const slept = sleep(10, { clock, signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(slept).rejects.toThrow("enough");
  await expect(sleep(10, { clock, signal: controller.signal })).rejects.toThrow("enough");
  expect(clock.pending).toBe(0);
});

test("the system clock runs and cancels", async () => {
  const before = systemClock.nowMs();
  systemClock.after(0, () => expect.unreachable())[Symbol.dispose]();
  await sleep(1);
  expect(systemClock.nowMs()).toBeGreaterThanOrEqual(before);
});

test("a delay beyond what a timer can hold does not fire at once", async () => {
  let fired = false;
  using _timer = systemClock.after(1e12, () => (fired = true));
  await sleep(5);
  expect(fired).toBe(false);
});
