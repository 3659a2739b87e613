import { expect, test } from "vitest";
import { type Scenario, judgeSteps } from "./scenario-steps.ts";
import { type JsonObject, type VectorCase, unsupported } from "./suite-driver.ts";

const scenarioCase = (...steps: JsonObject[]): VectorCase => ({ name: "a", input: { steps }, expected: null, raw: {} });

/** A world that counts. */
function counting(): Scenario<{ count: number }> {
  let world: { count: number } | null = null;
  return {
    steps: {
      add: (w) => ((w.count += 1), null),
      expect: (w, { count }) => (w.count === count ? null : { count: w.count }),
    },
    world: () => world,
    outside: (op, step) => {
      if (op === "feature") return step["value"] === true ? unsupported("the feature") : "taken";
      if (op !== "start") return null;
      world = { count: 0 };
      return "taken";
    },
  };
}

const [start, add] = [{ op: "start" }, { op: "add" }];

test("steps are taken in order, in the world that stands then", () => {
  const steps = [{ op: "feature" }, start, add, add, { op: "expect", count: 2 }, start, { op: "expect", count: 0 }];
  expect(judgeSteps(scenarioCase(...steps), counting())).toEqual({ t: "passed" });
});

test("a case without steps passes", () =>
  expect(judgeSteps({ name: "a", input: {}, expected: null, raw: {} }, counting())).toEqual({ t: "passed" }));

test("the first step that does not hold ends it, and says what was found", () => {
  const wrong = { op: "expect", count: 2 };
  expect(judgeSteps(scenarioCase(start, add, wrong, { op: "no such step" }), counting())).toEqual({
    t: "failed",
    got: { step: 2, op: "expect", found: { count: 1 } },
    why: JSON.stringify(wrong),
  });
});

test.each([
  ["a step that is not known", [start, { op: "fly" }], { step: 1, op: "fly" }, "the step is unknown"],
  ["a step before there is a world", [add], { step: 0, op: "add" }, "nothing has been started"],
])("%s fails", (_, steps, got, why) =>
  expect(judgeSteps(scenarioCase(...steps), counting())).toEqual({ t: "failed", got, why }),
);

test("what needs no world may end it", () =>
  expect(judgeSteps(scenarioCase({ op: "feature", value: true }, add), counting())).toEqual(
    unsupported("the feature"),
  ));
