import { FakeClock } from "@lateen/testkit";
import { expect, test } from "vitest";
import { createBackoff } from "./backoff.ts";
import { retry } from "./retry.ts";

function rig(): { clock: FakeClock; controller: AbortController; o: Parameters<typeof retry>[1] } {
  const clock = new FakeClock(0);
  const controller = new AbortController();
  const backoff = createBackoff({ baseMs: 100, maxMs: 1_000, random: () => 0 });
  return { clock, controller, o: { clock, backoff, signal: controller.signal } };
}

test("tries until it succeeds, pausing longer each time", async () => {
  const { clock, o } = rig();
  const at: number[] = [];
  const pauses: number[] = [];
  const operation = (): Promise<string> => {
    at.push(clock.nowMs());
    return at.length < 4 ? Promise.reject(new Error("down")) : Promise.resolve("up");
  };
  const done = retry(operation, { ...o, onRetry: (_e, ms) => pauses.push(ms) });
  await clock.advanceAsync(700);
  expect(await done).toBe("up");
  expect(at).toEqual([0, 100, 300, 700]);
  expect(pauses).toEqual([100, 200, 400]);
  expect(o.backoff.attempts).toBe(0);
});

test("gives the last failure when attempts run out", async () => {
  const { clock, o } = rig();
  let n = 0;
  const done = retry(() => Promise.reject(new Error(`failure ${++n}`)), { ...o, attempts: 2 });
  const checked = expect(done).rejects.toThrow("failure 2");
  await clock.advanceAsync(1_000);
  await checked;
});

test("does not repeat what is final", async () => {
  const { o } = rig();
  await expect(retry(() => Promise.reject(new Error("denied")), { ...o, isFinal: () => true })).rejects.toThrow(
    "denied",
  );
});

test("the signal ends the pause, and no timer stays", async () => {
  const { clock, controller, o } = rig();
  const done = retry(() => Promise.reject(new Error("down")), o);
  const checked = expect(done).rejects.toThrow("going away");
  await clock.advanceAsync(10);
  controller.abort(new Error("going away"));
  await checked;
  expect(clock.pending).toBe(0);
});
