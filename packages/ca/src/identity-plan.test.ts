import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IdentityPlan, type PlanEffect, type PlanInput } from "./identity-plan.ts";

const HOUR = 3_600_000;
const day = (fromMs: number): { notBeforeMs: number; notAfterMs: number } => ({
  notBeforeMs: fromMs,
  notAfterMs: fromMs + 24 * HOUR,
});

/** A plan whose chance is always in the middle, and what it last asked for. */
function rig(o: { concurrency?: number; maxIdentities?: number } = {}) {
  const plan = new IdentityPlan({ random: () => 0.5, ...o });
  const fetches = new Map<string, number>();
  let wakeMs: number | null = null;
  const step = (input: PlanInput, nowMs: number): readonly PlanEffect[] => {
    const effects = plan.step(input, nowMs);
    for (const e of effects)
      if (e.t === "fetch") fetches.set(e.identity, e.fetch);
      else if (e.t === "wake") wakeMs = e.atMs;
    return effects;
  };
  return {
    step,
    want: (identity: string, nowMs: number, priority: "realtime" | "warmup" = "realtime") =>
      step({ t: "want", identity, priority }, nowMs),
    done: (identity: string, nowMs: number, validity = day(nowMs)) =>
      step({ t: "fetched", identity, fetch: fetches.get(identity) ?? -1, validity }, nowMs),
    fail: (identity: string, nowMs: number) =>
      step({ t: "failed", identity, fetch: fetches.get(identity) ?? -1, why: "no" }, nowMs),
    wakeMs: () => wakeMs,
    tick: (nowMs: number) => step({ t: "tick" }, nowMs),
  };
}
const fetched = (effects: readonly PlanEffect[]): readonly string[] =>
  effects.flatMap((e) => (e.t === "fetch" ? [e.identity] : []));

test("a wanted identity is fetched at once, and again at half of its life", () => {
  const r = rig();
  expect(r.want("a", 0)).toEqual([{ t: "fetch", identity: "a", fetch: 1 }]);
  expect(r.done("a", 10)).toEqual([
    { t: "available", identity: "a" },
    { t: "wake", atMs: 10 + 12 * HOUR },
  ]);
  expect(fetched(r.tick(12 * HOUR))).toEqual([]);
  expect(fetched(r.tick(10 + 12 * HOUR))).toEqual(["a"]);
});

test("what is held is renewed when that is asked for, once, and what is not held is left to its own pace", () => {
  const r = rig();
  const renew = (nowMs: number): readonly string[] => fetched(r.step({ t: "renew", identity: "a" }, nowMs));
  expect(renew(0)).toEqual([]);
  r.want("a", 0);
  expect(renew(1)).toEqual([]);
  r.done("a", 2);
  expect(renew(3)).toEqual(["a"]);
  expect(renew(4)).toEqual([]);
  r.fail("a", 5);
  expect(renew(6)).toEqual([]);
  expect(fetched(r.tick(1_005))).toEqual(["a"]);
  expect(r.done("a", 1_010)).toContainEqual({ t: "wake", atMs: 1_010 + 12 * HOUR });
});

test("asking twice fetches once", () => {
  const r = rig();
  r.want("a", 0);
  expect(r.want("a", 1)).toEqual([]);
  r.done("a", 2);
  expect(r.want("a", 3)).toEqual([]);
});

test("eight at once, those that connections wait for first, then the longest due", () => {
  const r = rig({ concurrency: 2 });
  expect(fetched([...r.want("x", 0), ...r.want("y", 0)])).toEqual(["x", "y"]);
  r.want("warm1", 1, "warmup");
  r.want("warm2", 2, "warmup");
  r.want("real", 3, "realtime");
  expect(fetched(r.done("x", 4))).toEqual(["real"]);
  expect(fetched(r.done("y", 5))).toEqual(["warm1"]);
  r.want("warm3", 6, "warmup");
  r.want("warm3", 7, "realtime");
  expect(fetched(r.done("real", 8))).toEqual(["warm3"]);
});

describe("failures", () => {
  test("without a certificate the error stands until the scheduled retry", () => {
    const r = rig();
    r.want("a", 0);
    expect(r.fail("a", 100)).toEqual([
      { t: "unavailable", identity: "a", why: "no" },
      { t: "wake", atMs: 1_100 },
    ]);
    expect(r.want("a", 500)).toEqual([]);
    expect(fetched(r.tick(1_099))).toEqual([]);
    expect(fetched(r.tick(1_100))).toEqual(["a"]);
    r.fail("a", 1_100);
    expect(r.wakeMs()).toBe(3_100);
  });

  test("a certificate that is still valid serves on, and the retry is no later than its expiry", () => {
    const r = rig();
    r.want("a", 0);
    r.done("a", 0, { notBeforeMs: 0, notAfterMs: 10_000 });
    expect(fetched(r.tick(5_000))).toEqual(["a"]);
    expect(r.fail("a", 5_000)).toEqual([{ t: "wake", atMs: 6_000 }]);
    r.tick(6_000);
    expect(r.fail("a", 6_000)).toEqual([{ t: "wake", atMs: 8_000 }]);
    r.tick(8_000);
    r.fail("a", 8_000);
    expect(r.wakeMs()).toBe(10_000);
    const late = r.tick(10_000);
    expect(late[0]).toEqual({
      t: "unavailable",
      identity: "a",
      why: "the certificate expired and could not be renewed: no",
    });
    expect(fetched(late)).toEqual(["a"]);
    expect(r.done("a", 10_001)[0]).toEqual({ t: "available", identity: "a" });
  });

  test("success resets the back-off", () => {
    const r = rig();
    r.want("a", 0);
    r.fail("a", 0);
    r.tick(1_000);
    r.fail("a", 1_000);
    r.tick(3_000);
    r.done("a", 3_000, { notBeforeMs: 3_000, notAfterMs: 5_000 });
    r.tick(4_000);
    r.fail("a", 4_000);
    expect(r.wakeMs()).toBe(5_000);
  });

  test("an answer that has expired already is a failure", () => {
    const r = rig();
    r.want("a", 1_000);
    expect(r.done("a", 1_000, { notBeforeMs: 0, notAfterMs: 1_000 })[0]).toMatchObject({ t: "unavailable" });
  });

  test("a certificate past half of its life is not asked for again at once", () => {
    const r = rig();
    r.want("a", 900);
    r.done("a", 900, { notBeforeMs: 0, notAfterMs: 2_500 });
    expect(r.wakeMs()).toBe(1_900);
  });
});

describe("forgetting", () => {
  test("gives up the request and ignores its answer", () => {
    const r = rig();
    r.want("a", 0);
    expect(r.step({ t: "forget", identity: "a" }, 1)).toEqual([
      { t: "cancel", fetch: 1 },
      { t: "forgotten", identity: "a" },
    ]);
    expect(r.done("a", 2)).toEqual([]);
  });
  test("an old answer does not count for a new wish", () => {
    const r = rig();
    r.want("a", 0);
    r.step({ t: "forget", identity: "a" }, 1);
    r.want("a", 2);
    expect(r.step({ t: "fetched", identity: "a", fetch: 1, validity: day(2) }, 3)).toEqual([]);
    expect(r.done("a", 4)[0]).toEqual({ t: "available", identity: "a" });
  });
  test("one that is unknown changes nothing", () => expect(rig().step({ t: "forget", identity: "x" }, 0)).toEqual([]));
  test("frees the place of one that was refused", () => {
    const r = rig({ maxIdentities: 1 });
    r.want("a", 0);
    expect(r.want("b", 0)[0]).toMatchObject({ t: "refused", identity: "b" });
    r.step({ t: "forget", identity: "a" }, 1);
    expect(fetched(r.want("b", 2))).toEqual(["b"]);
  });
});

test("whatever happens: never more requests than allowed, none doubled, and due work is always awaited", () => {
  const action = fc.record({
    kind: fc.constantFrom("want", "warm", "forget", "done", "fail", "tick" as const),
    who: fc.constantFrom("a", "b", "c", "d", "e"),
    afterMs: fc.nat(200_000),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const plan = new IdentityPlan({ random: () => 0.3, concurrency: 2 });
      const running = new Map<number, string>();
      let wakeMs: number | null = null;
      let nowMs = 0;
      const step = (input: PlanInput): void => {
        for (const e of plan.step(input, nowMs)) {
          if (e.t === "fetch") {
            expect([...running.values()]).not.toContain(e.identity);
            running.set(e.fetch, e.identity);
          } else if (e.t === "cancel") running.delete(e.fetch);
          else if (e.t === "wake") wakeMs = e.atMs;
        }
        expect(running.size).toBeLessThanOrEqual(2);
        if (wakeMs !== null) expect(wakeMs).toBeGreaterThan(nowMs);
      };
      for (const { kind, who, afterMs } of actions) {
        nowMs += afterMs;
        if (wakeMs !== null && nowMs >= wakeMs) {
          wakeMs = null;
          step({ t: "tick" });
        }
        const [first] = running;
        if (kind === "want" || kind === "warm")
          step({ t: "want", identity: who, priority: kind === "want" ? "realtime" : "warmup" });
        else if (kind === "forget") step({ t: "forget", identity: who });
        else if (kind === "tick") {
          wakeMs = null;
          step({ t: "tick" });
        } else if (first !== undefined) {
          const [fetch, identity] = first;
          running.delete(fetch);
          const validity = { notBeforeMs: nowMs, notAfterMs: nowMs + 100_000 };
          step(
            kind === "done" ? { t: "fetched", identity, fetch, validity } : { t: "failed", identity, fetch, why: "no" },
          );
        }
      }
    }),
  );
});
