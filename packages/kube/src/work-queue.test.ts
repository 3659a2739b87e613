import { createLogging } from "@lateen/telemetry";
import { FakeClock } from "@lateen/testkit";
import { expect, test } from "vitest";
import { type WorkOutcome, createWorkQueue } from "./work-queue.ts";

const log = createLogging({ write: () => undefined, nowMicros: () => 0 }).logger("test");
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

interface Rig {
  readonly queue: ReturnType<typeof createWorkQueue>;
  readonly clock: FakeClock;
  readonly seen: string[];
  readonly open: Map<string, (outcome: WorkOutcome | Error) => void>;
}

/** Work that ends when the test says so. */
function rig(concurrency = 2): Rig {
  const clock = new FakeClock();
  const seen: string[] = [];
  const open = new Map<string, (outcome: WorkOutcome | Error) => void>();
  const work = (key: string): Promise<WorkOutcome> => {
    seen.push(key);
    if (open.has(key)) throw new Error(`${key} is worked on twice at a time`);
    return new Promise((resolve, reject) =>
      open.set(key, (outcome) => {
        open.delete(key);
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      }),
    );
  };
  const queue = createWorkQueue({ name: "test", work, concurrency, log, clock, random: () => 0 });
  return { queue, clock, seen, open };
}
const DONE: WorkOutcome = { t: "done" };

test("keys are worked on in order, so many at a time, and once however often they were added", async () => {
  const { queue, seen, open } = rig();
  for (const key of ["a", "b", "a", "c", "b"]) queue.add(key);
  void queue.run(new AbortController().signal);
  await turn();
  expect(seen).toEqual(["a", "b"]);
  open.get("a")!(DONE);
  await turn();
  expect(seen).toEqual(["a", "b", "c"]);
});

test("a key that is added while it is worked on is worked on once more", async () => {
  const { queue, seen, open } = rig();
  void queue.run(new AbortController().signal);
  queue.add("a");
  await turn();
  queue.add("a");
  queue.add("a");
  open.get("a")!(DONE);
  await turn();
  expect(seen).toEqual(["a", "a"]);
  const idle = queue.idle();
  open.get("a")!(DONE);
  await idle;
  expect(queue.size).toBe(0);
});

test("failures come back later and later; a success starts the series again; an addition comes at once", async () => {
  const { queue, clock, seen, open } = rig();
  void queue.run(new AbortController().signal);
  queue.add("a");
  await turn();
  for (const [outcome, pauseMs] of [
    [new Error("x"), 200],
    [{ t: "again", why: "x" }, 400],
    [{ t: "again", why: "x", afterMs: 5_000 }, 5_000],
  ] as const) {
    open.get("a")!(outcome);
    await turn();
    expect(clock.nextInMs).toBe(pauseMs);
    await clock.advanceAsync(pauseMs);
    await turn();
  }
  open.get("a")!(DONE);
  queue.add("b");
  await turn();
  open.get("b")!(new Error("x"));
  await turn();
  expect(clock.nextInMs).toBe(200);
  queue.add("b");
  await turn();
  expect([clock.pending, seen]).toEqual([0, ["a", "a", "a", "a", "b", "b"]]);
});

test("keys wait while nobody runs, and outlive a run", async () => {
  const { queue, seen, open } = rig();
  queue.add("a");
  await turn();
  expect(seen).toEqual([]);
  const first = new AbortController();
  const run = queue.run(first.signal);
  await turn();
  first.abort();
  queue.add("b");
  open.get("a")!({ t: "again", why: "cut off" });
  await run;
  expect([seen, queue.size]).toEqual([["a"], 2]);
  void queue.run(new AbortController().signal);
  await turn();
  expect(seen).toEqual(["a", "b", "a"]);
});
