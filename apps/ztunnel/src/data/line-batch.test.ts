import { expect, test } from "vitest";
import { LineBatch } from "./line-batch.ts";

/** A loop by hand: `turn` runs what was deferred, `pass` lets time go by. */
function rig() {
  let now = 0;
  let deferred: (() => void)[] = [];
  let timers: { due: number; run: () => void }[] = [];
  const posted: (readonly string[])[] = [];
  const batch = new LineBatch({
    path: {
      nowMs: () => now,
      defer: (run) => void deferred.push(run),
      after: (ms, run) => {
        const timer = { due: now + ms, run };
        timers.push(timer);
        return () => void (timers = timers.filter((t) => t !== timer));
      },
    },
    post: (message) => void (message.t === "log" && posted.push(message.lines)),
  });
  return {
    batch,
    posted,
    turn: () => {
      const due = deferred;
      deferred = [];
      for (const run of due) run();
    },
    pass: (ms: number) => {
      now += ms;
      for (const timer of timers.filter((t) => t.due <= now)) {
        timers = timers.filter((t) => t !== timer);
        timer.run();
      }
    },
  };
}

test("lines of one turn go together, at its end", () => {
  const { batch, posted, turn } = rig();
  batch.add("a");
  batch.add("b");
  expect(posted).toEqual([]);
  turn();
  expect(posted).toEqual([["a", "b"]]);
});

test("those of the turns right after it wait for each other, and none is lost", () => {
  const { batch, posted, turn, pass } = rig();
  batch.add("a");
  turn();
  for (const line of ["b", "c", "d"]) {
    pass(2);
    batch.add(line);
    turn();
  }
  expect(posted).toEqual([["a"]]);
  pass(16);
  expect(posted).toEqual([["a"], ["b", "c", "d"]]);
  pass(100);
  batch.add("e");
  turn();
  expect(posted.at(-1)).toEqual(["e"]);
});

test("a flush sends what waits, once", () => {
  const { batch, posted, turn, pass } = rig();
  batch.add("a");
  turn();
  batch.add("b");
  batch.flush();
  pass(100);
  batch.flush();
  expect(posted).toEqual([["a"], ["b"]]);
});
