import { FakeClock } from "@lateen/testkit";
import { expect, test } from "vitest";
import { withDeadline } from "./deadline.ts";

const never = (): Promise<never> => new Promise(() => undefined);

test("gives what the operation gives, and leaves no timer", async () => {
  const clock = new FakeClock();
  expect(await withDeadline({ deadlineMs: 5, what: "add", clock }, () => Promise.resolve(2))).toBe(2);
  expect(clock.pending).toBe(0);
});

test("at the deadline it says what could not be done, and aborts the operation's signal", async () => {
  const clock = new FakeClock();
  let inner: AbortSignal | null = null;
  const done = withDeadline({ deadlineMs: 5_000, what: "reach the CA", clock }, (signal) => {
    inner = signal;
    return never();
  });
  clock.advance(5_000);
  const message = "Cannot reach the CA: no answer within 5000 ms";
  await expect(done).rejects.toMatchObject({ code: "TIMEOUT", message });
  expect(inner).toMatchObject({ aborted: true });
});

test("the caller's signal comes first", async () => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const done = withDeadline({ deadlineMs: 5, what: "wait", clock, signal: controller.signal }, never);
  controller.abort(new Error("going away"));
  await expect(done).rejects.toThrow("going away");
  expect(clock.pending).toBe(0);
  const late = withDeadline({ deadlineMs: 5, what: "wait", clock, signal: controller.signal }, never);
  await expect(late).rejects.toThrow("going away");
});
