import { object, text } from "./read-json.ts";
import { type Json, type JsonObject, type VectorCase, type Verdict, failed, passed } from "./suite-driver.ts";

/** What a step found otherwise than it should be; null: nothing. */
export type Step<World> = (world: World, step: JsonObject) => unknown;

/** A case that is a list of steps in one world, and what its steps are by the names of their `op`. */
export interface Scenario<World> {
  readonly steps: Readonly<Record<string, Step<World>>>;
  /** The world of the next step; null: there is none yet. */
  readonly world: () => World | null;
  /** Steps that need no world. @returns null for others; a verdict ends the scenario */
  readonly outside?: (op: string, step: JsonObject) => "taken" | Verdict | null;
}

/** Step by step, up to the first that does not hold. */
export function judgeSteps<World>(c: VectorCase, scenario: Scenario<World>): Verdict {
  for (const [i, step] of ((c.input["steps"] ?? []) as readonly Json[]).map(object).entries()) {
    const op = text(step["op"]);
    const outside = scenario.outside?.(op, step) ?? null;
    if (outside === "taken") continue;
    if (outside !== null) return outside;
    const known = scenario.steps[op];
    if (known === undefined) return failed({ step: i, op }, "the step is unknown");
    const world = scenario.world();
    if (world === null) return failed({ step: i, op }, "nothing has been started");
    const found = known(world, step);
    if (found !== null) return failed({ step: i, op, found }, JSON.stringify(step).slice(0, 300));
  }
  return passed;
}
