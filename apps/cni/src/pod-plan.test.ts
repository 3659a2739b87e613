import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Conditions,
  type Observed,
  type StateInputs,
  type Step,
  type Wanted,
  nextStep,
  noConditions,
  nothingObserved,
  podState,
} from "./pod-plan.ts";

const wanted: Wanted = { netnsPath: "/proc/1/ns/net", rules: "A" };
const all: Conditions = { rulesVerified: true, listenersAnswer: true, identityIssued: true };
const captured: Observed = { ...nothingObserved, netnsPath: wanted.netnsPath, rules: "A" };
const enrolled: Observed = { ...captured, told: "yes", conditions: all };

describe("the next step", () => {
  const rows: readonly [string, Wanted | null, Observed, number, Step][] = [
    ["a new pod: open its namespace", wanted, nothingObserved, 1, { t: "open-netns" }],
    ["another path: open that one", { ...wanted, netnsPath: "/x" }, enrolled, 1, { t: "open-netns" }],
    ["opened: rules first", wanted, { ...captured, rules: null }, 1, { t: "apply-rules" }],
    ["rules of a former agent: write ours", wanted, { ...captured, rules: "unsure" }, 1, { t: "apply-rules" }],
    ["other options: write them, whatever else holds", { ...wanted, rules: "B" }, enrolled, 1, { t: "apply-rules" }],
    ["rules hold: tell the proxy", wanted, captured, 1, { t: "tell-ztunnel" }],
    ["no proxy: wait for one", wanted, captured, 0, { t: "none", why: "no-ztunnel" }],
    [
      "named in a snapshot: wait for the answer",
      wanted,
      { ...captured, told: "snapshot" },
      1,
      { t: "none", why: "snapshot" },
    ],
    ["told: verify", wanted, { ...captured, told: "yes" }, 1, { t: "verify" }],
    [
      "one condition misses: verify",
      wanted,
      { ...enrolled, conditions: { ...all, identityIssued: false } },
      1,
      { t: "verify" },
    ],
    ["all holds: nothing", wanted, enrolled, 1, { t: "none", why: "enrolled" }],
    ["leaving: rules go first", null, enrolled, 1, { t: "remove-rules" }],
    ["leaving, rules unsure: they go", null, { ...captured, rules: "unsure" }, 0, { t: "remove-rules" }],
    ["leaving, rules gone: the proxy is told", null, { ...enrolled, rules: null }, 1, { t: "untell-ztunnel" }],
    [
      "leaving, in a snapshot: the proxy is told",
      null,
      { ...captured, rules: null, told: "snapshot" },
      1,
      { t: "untell-ztunnel" },
    ],
    ["nothing left: forget", null, { ...captured, rules: null }, 1, { t: "forget" }],
  ];
  test.each(rows)("%s", (_, w, o, ztunnels, want) => expect(nextStep(w, o, ztunnels)).toEqual(want));

  const observed: fc.Arbitrary<Observed> = fc.record({
    netnsPath: fc.constantFrom(null, wanted.netnsPath, "/other"),
    rules: fc.constantFrom(null, "unsure", "A", "B"),
    told: fc.constantFrom("no", "snapshot", "yes"),
    conditions: fc.record({ rulesVerified: fc.boolean(), listenersAnswer: fc.boolean(), identityIssued: fc.boolean() }),
  });

  /** What each step leaves behind when it succeeds. */
  function perform(o: Observed, step: Step, w: Wanted | null): Observed {
    switch (step.t) {
      case "open-netns":
        return { ...nothingObserved, netnsPath: w!.netnsPath };
      case "apply-rules":
        return { ...o, rules: w!.rules, conditions: { ...o.conditions, rulesVerified: false } };
      case "tell-ztunnel":
        return { ...o, told: "yes" };
      case "verify":
        return { ...o, conditions: all };
      case "remove-rules":
        return { ...o, rules: null, conditions: noConditions };
      case "untell-ztunnel":
        return { ...o, told: "no" };
      case "forget":
      case "none":
        return o;
    }
  }

  test("from anywhere it ends within six steps, enrolled, waiting, or forgotten", () => {
    fc.assert(
      fc.property(observed, fc.boolean(), fc.nat(2), (start, leaves, ztunnels) => {
        const w = leaves ? null : wanted;
        let o = start;
        for (let i = 0; i < 6; i++) o = perform(o, nextStep(w, o, ztunnels), w);
        expect(["none", "forget"]).toContain(nextStep(w, o, ztunnels).t);
      }),
    );
  });

  test("the proxy is told only of pods whose rules are as wanted", () => {
    fc.assert(
      fc.property(observed, fc.nat(2), (o, ztunnels) => {
        if (nextStep(wanted, o, ztunnels).t === "tell-ztunnel") expect(o.rules).toBe(wanted.rules);
      }),
    );
  });
});

describe("the state of a pod", () => {
  const base: StateInputs = {
    wanted,
    enrolledOnce: false,
    conditions: noConditions,
    failure: null,
    step: { t: "verify" },
  };
  const rows: readonly [string, Partial<StateInputs>, string, string][] = [
    ["on its way", {}, "pending", "not yet: rulesVerified, listenersAnswer, identityIssued"],
    ["waiting for a proxy", { step: { t: "none", why: "no-ztunnel" } }, "pending", "no ztunnel connection"],
    ["a fault of the pod", { failure: { kind: "fault", why: "no netns" } }, "failed", "no netns"],
    ["a proxy that says no", { failure: { kind: "wait", why: "ports busy" } }, "pending", "ports busy"],
    ["enrolled", { enrolledOnce: true, conditions: all, step: { t: "none", why: "enrolled" } }, "enrolled", ""],
    [
      "enrolled, the proxy died: peers must not fall back to plain text",
      { enrolledOnce: true, step: { t: "none", why: "no-ztunnel" } },
      "enrolled",
      "no ztunnel connection",
    ],
    ["leaving", { wanted: null, enrolledOnce: true }, "removing", ""],
  ];
  test.each(rows)("%s", (_, change, state, reason) =>
    expect(podState({ ...base, ...change })).toEqual({ state, reason }),
  );
});
