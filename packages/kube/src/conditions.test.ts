import { expect, test } from "vitest";
import { type Condition, planConditions, readConditions } from "./conditions.ts";

const T0 = "2026-01-01T00:00:00Z";
const NOW = Date.UTC(2026, 0, 2);
const owned = new Set(["A", "B"]);
const stands = (change: Partial<Condition> = {}): Condition => ({
  type: "A",
  status: "True",
  reason: "Fine",
  message: "m",
  observedGeneration: 1,
  lastTransitionTime: T0,
  ...change,
});
const wanted = [{ type: "A", status: "True", reason: "Fine", message: "m" }] as const;
const plan = (current: readonly Condition[], o: Partial<Parameters<typeof planConditions>[0]> = {}) =>
  planConditions({ current, wanted, owned, generation: 1, nowMs: NOW, ...o });

test("what stands already is not written", () => expect(plan([stands(), stands({ type: "Foreign" })])).toBeNull());
test("nothing wanted and nothing there", () => expect(plan([stands({ type: "Foreign" })], { wanted: [] })).toBeNull());

test.each([
  ["nothing there", [], { lastTransitionTime: "2026-01-02T00:00:00Z" }],
  ["another status", [stands({ status: "False" })], { lastTransitionTime: "2026-01-02T00:00:00Z" }],
  ["another reason", [stands({ reason: "Other" })], { lastTransitionTime: T0 }],
  ["another message", [stands({ message: "n" })], { lastTransitionTime: T0 }],
  ["an older generation", [stands({ observedGeneration: 0 })], { lastTransitionTime: T0, observedGeneration: 1 }],
])("%s: written, and its time is that of the last change of the status", (_name, current, want) =>
  expect(plan(current)).toMatchObject([want]),
);

test("a condition that does not apply any more goes; those of others are not ours", () =>
  expect(plan([stands(), stands({ type: "B" }), stands({ type: "Foreign" })])).toEqual([stands()]));

test.each([
  undefined,
  null,
  3,
  { conditions: 3 },
  { conditions: [null, 3, { type: "A" }, { type: "A", status: "x" }] },
])("%j holds no condition", (status) => expect(readConditions(status)).toEqual([]));
test("conditions are read", () =>
  expect(readConditions({ conditions: [{ type: "A", status: "True", x: 1 }] })).toMatchObject([
    { type: "A", reason: "" },
  ]));
