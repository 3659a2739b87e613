import { expect, test } from "vitest";
import { eventually } from "./eventually.ts";

test("gives the first truthy value", async () => {
  let calls = 0;
  expect(await eventually(() => (++calls < 3 ? null : `call ${calls}`))).toBe("call 3");
});

test("a condition that throws is tried again", async () => {
  let calls = 0;
  const value = await eventually(() => {
    if (++calls < 2) throw new Error("not yet");
    return Promise.resolve(calls);
  });
  expect(value).toBe(2);
});

test("the deadline names what was awaited and keeps the last error", async () => {
  const cause = new Error("connection refused");
  const never = (): never => {
    throw cause;
  };
  const failure = eventually(never, { deadlineMs: 10, what: "the listener" });
  await expect(failure).rejects.toMatchObject({
    message: "Waited 10 ms for the listener in vain: connection refused",
    cause,
  });
});
