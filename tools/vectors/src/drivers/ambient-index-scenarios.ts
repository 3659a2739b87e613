import { isDeepStrictEqual } from "node:util";
import type { Service, Workload } from "@lateen/workload-model";
import { object, text, texts } from "../read-json.ts";
import { type Step, judgeSteps } from "../scenario-steps.ts";
import {
  type Json,
  type JsonObject,
  type SuiteDriver,
  type VectorCase,
  type Verdict,
  unsupported,
} from "../suite-driver.ts";
import {
  fieldAt,
  sentService,
  sentWorkload,
  serviceFields,
  wantedService,
  wantedWorkload,
  workloadFields,
} from "./ambient/proto-view.ts";
import { ScenarioWorld } from "./ambient/scenario-world.ts";

const lookup = (step: JsonObject): string => text(step["lookup"] ?? "");
const byText = (list: readonly string[]): readonly string[] => [...new Set(list)].sort();
const differs = (got: unknown, wanted: unknown): unknown => (isDeepStrictEqual(got, wanted) ? null : { got, wanted });

const STEPS: Readonly<Record<string, Step<ScenarioWorld>>> = {
  // What was told until then has been looked at by an assertion that is not here.
  skippedAssertion: (world) => (world.forget(), null),
  forgetPushes: (world) => (world.forget(), null),
  apply: (world, s) => (world.apply(object(s["object"])), null),
  delete: (world, s) => (world.remove(text(s["kind"]), text(s["namespace"] ?? ""), text(s["name"])), null),
  expectPushes: (world, s) => world.takePushes(texts(s["resources"])),
  expectNoPush: (world) => (world.untaken.length === 0 ? null : { pushed: world.untaken }),
  expectAddresses: (world, s) => {
    const { workloads, services } = world.find(lookup(s));
    return differs(byText([...workloads, ...services].map((x) => x.name)), byText(texts(s["names"])));
  },
  expectWorkloads: (world, s) => {
    const workloads = world.find(lookup(s)).workloads.filter((w) => w.status === s["status"]);
    return differs(byText(workloads.map((w) => w.name)), byText(texts(s["names"])));
  },
  expectCount: (world, s) => {
    const { workloads, services } = world.find(lookup(s));
    return differs(workloads.length + services.length, s["count"]);
  },
  expectCanonicalService: (world, s) => {
    const services = world.model.services.values().filter((x) => x.hostname === s["hostname"] && x.canonical);
    return differs(
      services.map((x) => x.name),
      [s["service"]],
    );
  },
  expectLookup,
  expectField,
};

function expectLookup(world: ScenarioWorld, step: JsonObject): unknown {
  const { workloads, services } = world.find(lookup(step));
  const got = [...workloads.map(sentWorkload), ...services.map(sentService)].map(show).sort();
  const wanted = ((step["addresses"] ?? []) as readonly Json[]).map(object).map(({ workload, service }) => {
    return show(workload === undefined ? wantedService(object(service)) : wantedWorkload(object(workload)));
  });
  return differs(got, wanted.sort());
}

const show = (x: unknown): string => JSON.stringify(x, (_, v: unknown) => (v instanceof Map ? [...v] : v));

/** The index is a hint: some result has to fit. */
function expectField(world: ScenarioWorld, step: JsonObject): unknown {
  const { workloads, services } = world.find(lookup(step));
  const fields: readonly Record<string, unknown>[] =
    step["kind"] === "service"
      ? services.map((s: Service) => serviceFields(s))
      : workloads.map((w: Workload) => workloadFields(w));
  const got = fields.map((f) => fieldAt(f, text(step["path"])));
  return got.some((value) => isDeepStrictEqual(value, step["value"])) ? null : { got, wanted: step["value"] };
}

/** One control plane after another. */
function run(c: VectorCase): Verdict {
  let world: ScenarioWorld | null = null;
  return judgeSteps(c, {
    steps: STEPS,
    world: () => world,
    outside(op, step) {
      if (op === "setFeature")
        return step["value"] === true ? unsupported(`the feature ${text(step["feature"])}`) : "taken";
      if (op === "start") world = new ScenarioWorld(step);
      return op === "start" || op === "section" ? "taken" : null;
    },
  });
}

export const driver: SuiteDriver = {
  suite: "ambient-index-scenarios",
  kindOf: () => "scenario",
  judge: run,
};
