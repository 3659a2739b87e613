import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BundleEffect, BundlePlan } from "./bundle-plan.ts";

const OLD = ["old"];
const BOTH = ["old", "new"];
const SWITCHED = ["new", "old"];
const half = (): number => 0.5;
const start = (holders: readonly string[], roots = OLD): BundlePlan => {
  const plan = new BundlePlan({ random: half, spreadMs: 1_000 });
  for (const holder of holders) plan.step({ t: "held", holder, roots }, 0);
  return plan;
};
const renewed = (effects: readonly BundleEffect[]): readonly string[] =>
  effects.flatMap((e) => (e.t === "renew" ? [e.holder] : []));
const kinds = (effects: readonly BundleEffect[]): readonly string[] => effects.map((e) => e.t);

describe("a bundle", () => {
  test("that every certificate carries, or that nobody has to carry, is settled at once", () => {
    expect(kinds(start(["a", "b"]).step({ t: "bundle", roots: OLD }, 0))).toEqual(["settled"]);
    expect(kinds(start([]).step({ t: "bundle", roots: BOTH }, 0))).toEqual(["settled"]);
    expect(kinds(start(["a"]).step({ t: "bundle", roots: null }, 0))).toEqual([]);
  });

  test("is asked for by one certificate first; when the authority has it the others follow, and then it is settled", () => {
    const plan = start(["a", "b", "c"]);
    expect(plan.step({ t: "bundle", roots: BOTH }, 0)).toEqual([{ t: "wake", atMs: 500 }]);
    expect(renewed(plan.step({ t: "tick" }, 500))).toEqual(["a"]);
    expect(plan.step({ t: "held", holder: "a", roots: BOTH }, 600)).toEqual([{ t: "wake", atMs: 1_100 }]);
    expect(renewed(plan.step({ t: "tick" }, 1_100))).toEqual(["b", "c"]);
    expect(kinds(plan.step({ t: "held", holder: "b", roots: BOTH }, 1_200))).not.toContain("settled");
    expect(plan.lagging).toEqual(["c"]);
    expect(kinds(plan.step({ t: "held", holder: "c", roots: BOTH }, 1_300))).toEqual(["settled"]);
    expect(plan.isSettled).toBe(true);
  });

  test("that the authority does not issue with costs one request, ever less often", () => {
    const plan = start(["a", "b"]);
    plan.step({ t: "bundle", roots: BOTH }, 0);
    let nowMs = 500;
    const pauses: number[] = [];
    for (let i = 0; i < 10; i += 1) {
      expect(renewed(plan.step({ t: "tick" }, nowMs))).toEqual(["a"]);
      const [wake] = plan.step({ t: "held", holder: "a", roots: OLD }, nowMs);
      if (wake?.t !== "wake" || wake.atMs === null) throw new Error("it gave up");
      pauses.push(wake.atMs - nowMs);
      nowMs = wake.atMs;
    }
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 150_000, 150_000]);
  });

  test("of the same roots in another order is another bundle: another root signs", () => {
    const plan = start(["a"], BOTH);
    expect(kinds(plan.step({ t: "bundle", roots: SWITCHED }, 0))).toEqual(["wake"]);
    expect(plan.lagging).toEqual(["a"]);
  });

  test("that comes again after a break is settled again", () => {
    const plan = start(["a"]);
    plan.step({ t: "bundle", roots: OLD }, 0);
    expect(kinds(plan.step({ t: "bundle", roots: OLD }, 5))).toEqual(["settled"]);
  });

  test("does not wait for certificates that are gone, and does for those that came late without it", () => {
    const plan = start(["a", "b"]);
    plan.step({ t: "bundle", roots: BOTH }, 0);
    plan.step({ t: "held", holder: "a", roots: null }, 1);
    plan.step({ t: "held", holder: "late", roots: OLD }, 2);
    plan.step({ t: "held", holder: "b", roots: BOTH }, 3);
    expect(plan.lagging).toEqual(["late"]);
    expect(plan.isSettled).toBe(false);
  });
});

test("whatever authorities answer, it is settled exactly when all carry it, and gets there once they issue with it", () => {
  const bundle = fc.constantFrom(OLD, BOTH, SWITCHED);
  const event = fc.oneof(
    fc.record({ t: fc.constant("bundle" as const), roots: bundle }),
    fc.record({ t: fc.constant("come" as const), holder: fc.constantFrom("a", "b", "c", "d"), roots: bundle }),
    fc.record({ t: fc.constant("go" as const), holder: fc.constantFrom("a", "b", "c", "d") }),
    fc.record({ t: fc.constant("pass" as const), ms: fc.nat(3_000) }),
    fc.record({ t: fc.constant("answer" as const), roots: bundle }),
  );
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 60 }),
      fc.infiniteStream(fc.double({ min: 0, max: 0.99 })),
      (events, r) => {
        const random = (): number => r.next().value as number;
        const plan = new BundlePlan({ random, spreadMs: 1_000 });
        const held = new Map<string, string>();
        const asked = new Set<string>();
        let [nowMs, wakeMs, wanted, settled] = [0, null as number | null, null as string | null, false];
        const step = (input: Parameters<BundlePlan["step"]>[0]): void => {
          if (input.t === "bundle") [wanted, settled] = [(input.roots ?? []).join(), false];
          if (input.t === "held" && input.roots === null) held.delete(input.holder);
          else if (input.t === "held") held.set(input.holder, (input.roots ?? []).join());
          if (input.t === "held") asked.delete(input.holder);
          if (input.t === "tick") wakeMs = null;
          for (const effect of plan.step(input, nowMs)) {
            if (effect.t === "wake") wakeMs = effect.atMs;
            else if (effect.t === "settled") {
              expect(settled).toBe(false);
              settled = true;
              expect([...held.values()].every((roots) => roots === wanted)).toBe(true);
            } else {
              expect(held.has(effect.holder)).toBe(true);
              asked.add(effect.holder);
            }
          }
          if (wanted !== null && [...held.values()].every((roots) => roots === wanted)) expect(settled).toBe(true);
        };
        const pass = (ms: number): void => {
          nowMs += ms;
          if (wakeMs !== null && wakeMs <= nowMs) step({ t: "tick" });
        };
        for (const e of events) {
          if (e.t === "bundle") step({ t: "bundle", roots: e.roots });
          else if (e.t === "come") step({ t: "held", holder: e.holder, roots: e.roots });
          else if (e.t === "go") step({ t: "held", holder: e.holder, roots: null });
          else if (e.t === "pass") pass(e.ms);
          else for (const holder of [...asked].slice(0, 1)) step({ t: "held", holder, roots: e.roots });
        }
        step({ t: "bundle", roots: BOTH });
        for (let i = 0; i < 50 && !plan.isSettled; i += 1) {
          for (const holder of asked) step({ t: "held", holder, roots: BOTH });
          pass(Math.max(0, (wakeMs ?? nowMs) - nowMs));
        }
        expect(plan.lagging).toEqual([]);
      },
    ),
  );
});
