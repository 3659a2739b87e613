import { afterEach, expect, test } from "vitest";
import { Alarm } from "./alarm.ts";
import { EPOLLET, EPOLLIN } from "./constants.ts";
import { Poller } from "./poller.ts";

const LONG_MS = 10_000;
let open: DisposableStack | null = null;
afterEach(() => open?.dispose());

function watched(): { alarm: Alarm; poller: Poller } {
  const stack = new DisposableStack();
  open = stack;
  const alarm = stack.use(new Alarm());
  const poller = stack.use(new Poller(4));
  poller.add(alarm.fd, EPOLLIN | EPOLLET, 5, 0);
  return { alarm, poller };
}

test("an alarm rings once each time that it is set, without being read", () => {
  const { alarm, poller } = watched();
  expect(poller.wait(0)).toBe(0);
  for (const ms of [0, 3, 1.5]) {
    const before = performance.now();
    alarm.set(ms);
    expect(poller.wait(LONG_MS)).toBe(1);
    expect(poller.token(0)).toBe(5);
    expect(performance.now() - before).toBeGreaterThanOrEqual(ms);
    expect(poller.wait(5)).toBe(0);
  }
});

test("what is set last counts, be it earlier or later", () => {
  const { alarm, poller } = watched();
  alarm.set(LONG_MS);
  alarm.set(1);
  expect(poller.wait(LONG_MS)).toBe(1);
  alarm.set(1);
  alarm.set(LONG_MS);
  expect(poller.wait(20)).toBe(0);
});
