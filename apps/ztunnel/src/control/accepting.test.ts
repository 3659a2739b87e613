import fc from "fast-check";
import { expect, test } from "vitest";
import type { Load, Yields } from "../messages.ts";
import { AcceptPolicy } from "./accepting.ts";

type Step = "settle" | { readonly passMs: number } | readonly [index: number, load: Load];

function after(count: number, ...steps: readonly Step[]): readonly [threads: number, yielding: readonly Yields[]] {
  const policy = new AcceptPolicy(count);
  let nowMs = 1_000;
  for (const step of steps) {
    if (step === "settle") policy.settle(nowMs);
    else if ("passMs" in step) nowMs += step.passMs;
    else policy.heard(...step, nowMs);
  }
  const { threads, yielding } = policy.accepting;
  return [threads, yielding];
}

const [N, T, E] = ["nothing", "tunnels", "everything"] as const;
/** A second thread joined, and left as the two only took turns; the first is full again. */
const HELPED: readonly Step[] = [[0, "full"], [0, "contended"], [1, "contended"], "settle", [0, "full"]]; // prettier-ignore
const rows: readonly (readonly [string, number, readonly Step[], ReturnType<typeof after>])[] = [
  ["at first one", 4, [], [1, [N]]],
  ["a busy one is enough", 4, [[0, "busy"]], [1, [N]]],
  ["a full one gets help, and leaves it what stays", 4, [[0, "full"]], [2, [T, N]]],
  ["a crowded one gets help, and leaves it what is new", 4, [[0, "crowded"]], [2, [E, N]]],
  ["two that have enough: a third", 4, [[0, "crowded"], [1, "full"]], [3, [E, T, N]]], // prettier-ignore
  ["a helper that is crowded leaves it to the first", 4, [[0, "full"], [1, "crowded"], [2, "busy"], [0, "busy"]], [3, [N, E, N]]], // prettier-ignore
  ["all have enough: none yields", 2, [[0, "crowded"], [1, "full"]], [2, [N, N]]], // prettier-ignore
  ["one thread has nobody", 1, [[0, "crowded"]], [1, [N]]],
  ["one that does not accept counts for nothing", 4, [[1, "full"], [3, "full"]], [1, [N]]], // prettier-ignore
  ["who is full already when it joins brings the next", 4, [[1, "full"], [0, "full"]], [3, [T, T, N]]], // prettier-ignore
  ["rest is no reason to leave before the settling", 2, [[0, "full"], [0, "easy"]], [2, [N, N]]], // prettier-ignore
  ["but then it is", 2, [[0, "full"], [0, "easy"], "settle"], [1, [N]]],
  ["one that is busy is no rest", 2, [[0, "full"], [0, "busy"], "settle"], [2, [N, N]]],
  ["one leaves at a time", 4, [[0, "full"], [1, "full"], [2, "full"], [0, "easy"], [1, "easy"], [2, "easy"], [3, "easy"], "settle"], [3, [N, N, N]]], // prettier-ignore
  ["a contended one gets no help", 4, [[0, "contended"]], [1, [N]]],
  ["two that take turns with others are one too many", 2, [[0, "full"], [0, "contended"], [1, "contended"], "settle"], [1, [N]]], // prettier-ignore
  ["one of them that still is full needs the other", 2, [[0, "full"], [1, "contended"], "settle"], [2, [T, N]]], // prettier-ignore
  ["a helper that found no processor is not asked again soon", 2, [...HELPED, { passMs: 9_999 }, "settle"], [1, [N]]],
  ["but then", 2, [...HELPED, { passMs: 10_000 }, "settle"], [2, [T, N]]],
  ["and at once by a crowd", 2, [...HELPED, [0, "crowded"]], [2, [E, N]]],
  ["a thread that is not there is not heard", 2, [[2, "full"], [-1, "full"]], [1, [N]]], // prettier-ignore
];
test.each(rows)("%s", (_, count, steps, want) => expect(after(count, ...steps)).toEqual(want));

test("whatever is heard: the first accepts, none beyond the last, and somebody does not yield", () => {
  const load = fc.constantFrom<Load>("easy", "busy", "contended", "crowded", "full");
  const pause = fc.record({ passMs: fc.nat(20_000) });
  const step: fc.Arbitrary<Step> = fc.oneof(fc.constant<"settle">("settle"), pause, fc.tuple(fc.nat(6), load));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 40 }), (count, steps) => {
      const [threads, yielding] = after(count, ...steps);
      expect(threads).toBeGreaterThanOrEqual(1);
      expect(threads).toBeLessThanOrEqual(count);
      expect(yielding).toHaveLength(threads);
      expect(yielding).toContain("nothing");
    }),
  );
});
