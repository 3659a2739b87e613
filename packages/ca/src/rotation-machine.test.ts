import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  NO_ROTATION,
  type RootPair,
  type Rotation,
  type RotationFacts,
  type RotationInput,
  bundleOf,
  rotationGate,
  stepRotation,
} from "./rotation-machine.ts";
import { formatRotation, parseRotation } from "./rotation-file.ts";

const pair = (name: string): RootPair => ({ keyPem: `key ${name}`, certPem: `root ${name}` });
const facts = (nowMs = 0, over: Partial<RotationFacts> = {}): RotationFacts => ({
  ...{ nowMs, longestMs: 1_000, othersUntilMs: 0 },
  ...over,
});
const rotate: RotationInput = { t: "rotate", current: pair("old"), next: pair("new") };
function after(...inputs: readonly RotationInput[]): Rotation {
  return inputs.reduce<Rotation>((s, input) => {
    const next = stepRotation(s, input, facts());
    if (!next.ok) throw new Error(next.error);
    return next.value;
  }, NO_ROTATION);
}
const advance: RotationInput = { t: "advance" };
const rollback: RotationInput = { t: "rollback" };
const seen = (s: Rotation): unknown => [s.phase, s.phase === "none" ? s.last?.outcome : s.current.certPem, bundleOf(s)];

describe("a rotation", () => {
  test.each([
    ["begins by telling of the new root", [rotate], ["distribute", "root old", ["root old", "root new"]]],
    ["then signs with it", [rotate, advance], ["switch", "root new", ["root new", "root old"]]],
    ["then trusts it alone", [rotate, advance, advance], ["retire", "root new", ["root new"]]],
    ["and ends", [rotate, advance, advance, advance], ["none", "rotated", null]],
    ["is rolled back at once while the new root signs nothing", [rotate, rollback], ["none", "rolled back", null]],
    [
      "is rolled back by its gates once it signs",
      [rotate, advance, rollback],
      ["switch", "root old", ["root old", "root new"]],
    ],
    [
      "that is rolled back retires the new root",
      [rotate, advance, rollback, advance, advance],
      ["none", "rolled back", null],
    ],
    [
      "may change its mind twice",
      [rotate, advance, rollback, rollback],
      ["switch", "root new", ["root new", "root old"]],
    ],
  ] as const)("%s", (_name, inputs, expected) => expect(seen(after(...inputs))).toEqual(expected));

  test.each([
    ["rollback", NO_ROTATION, rollback, /none is under way/],
    ["advance", NO_ROTATION, advance, /none is under way/],
    ["a second one", after(rotate), rotate, /one is under way, in phase distribute/],
    ["rollback of a retired root", after(rotate, advance, advance), rollback, /nobody trusts it any more/],
  ] as const)("refuses %s", (_name, state, input, why) => {
    const next = stepRotation(state, input, facts());
    expect(next.ok ? "done" : next.error).toMatch(why);
  });
});

describe("the gate", () => {
  const s = after(rotate);
  const gate = (nowMs: number, over: Partial<Parameters<typeof rotationGate>[1]> = {}): readonly string[] =>
    rotationGate(s, { nowMs, settleMs: 10, lacking: [], mute: [], ...over });
  test("is open when all acknowledged and files had their time", () => {
    expect(gate(5)).toEqual(["1970-01-01T00:00:00Z: roots in files and ConfigMaps are read late"]);
    expect(gate(10)).toEqual([]);
  });
  test("waits for those who have not, and for the lifetime of those who cannot", () => {
    expect(gate(10, { lacking: [{ name: "z1", why: "is not connected" }], mute: ["z2"] })).toEqual([
      "z1: is not connected",
      "z2: cannot acknowledge; its certificates have expired by 1970-01-01T00:00:01Z",
    ]);
    expect(gate(1_000, { lacking: [{ name: "z1", why: "is not connected" }], mute: ["z2"] })).toEqual([]);
  });
  test("waits for what others fetched before the phase", () => {
    const next = stepRotation(NO_ROTATION, rotate, facts(0, { othersUntilMs: 500 }));
    if (!next.ok) throw new Error(next.error);
    const at = (nowMs: number): number =>
      rotationGate(next.value, { nowMs, settleMs: 0, lacking: [], mute: [] }).length;
    expect([at(499), at(500)]).toEqual([1, 0]);
  });
});

/** A client as its certificate has it. */
interface Client {
  signer: string;
  trusts: readonly string[];
  expiresMs: number;
  acknowledged: number;
  readonly canAcknowledge: boolean;
}

test("whatever happens in whatever order, and over restarts, no two clients ever cease to trust each other", () => {
  const TTL = 1_000;
  const event = fc.oneof(
    { weight: 1, arbitrary: fc.constant({ t: "rotate" as const }) },
    { weight: 1, arbitrary: fc.constant({ t: "rollback" as const }) },
    { weight: 4, arbitrary: fc.constant({ t: "look" as const }) },
    { weight: 1, arbitrary: fc.constant({ t: "restart" as const }) },
    { weight: 3, arbitrary: fc.constant({ t: "catch up" as const }) },
    { weight: 3, arbitrary: fc.record({ t: fc.constant("pass" as const), ms: fc.nat(400) }) },
    { weight: 8, arbitrary: fc.record({ t: fc.constant("renew" as const), who: fc.nat(4) }) },
    { weight: 8, arbitrary: fc.record({ t: fc.constant("acknowledge" as const), who: fc.nat(4) }) },
  );
  const reached = new Set<string>();
  fc.assert(
    fc.property(fc.array(event, { minLength: 20, maxLength: 120 }), (events) => {
      let [nowMs, serials, signs, othersUntilMs] = [0, 0, "0", 0];
      let s: Rotation = NO_ROTATION;
      const bundle = (): readonly string[] => bundleOf(s) ?? [`root ${signs}`];
      const signer = (): string => (s.phase === "none" ? `root ${signs}` : s.current.certPem);
      const issue = (c: Client): void => {
        Object.assign(c, { signer: signer(), trusts: bundle(), expiresMs: nowMs + TTL });
        if (!c.canAcknowledge) othersUntilMs = Math.max(othersUntilMs, nowMs + TTL);
      };
      const clients: Client[] = [true, true, true, false, false].map((canAcknowledge) => {
        return { signer: "", trusts: [], expiresMs: 0, acknowledged: -1, canAcknowledge };
      });
      for (const c of clients) issue(c);
      const step = (input: RotationInput): void => {
        const next = stepRotation(s, input, { nowMs, longestMs: TTL, othersUntilMs });
        if (!next.ok) return;
        if (next.value.phase === "none") signs = signer().replace("root ", "");
        s = next.value;
        reached.add(`${s.phase} ${s.phase === "none" ? s.last?.outcome : s.direction}`);
      };
      for (const e of events) {
        if (e.t === "rotate") step({ t: "rotate", current: pair(signer().slice(5)), next: pair(String(++serials)) });
        else if (e.t === "rollback") step({ t: "rollback" });
        else if (e.t === "restart") {
          const read = parseRotation(formatRotation(s));
          if (!read.ok) throw new Error(read.error);
          s = read.value;
        } else if (e.t === "pass") {
          nowMs += e.ms;
        } else if (e.t === "catch up") {
          nowMs += TTL + TTL / 4;
          for (const c of clients) {
            issue(c);
            if (c.canAcknowledge) c.acknowledged = s.serial;
          }
        } else if (e.t === "renew") issue(clients[e.who]!);
        else if (e.t === "acknowledge") {
          const c = clients[e.who]!;
          const carries = c.trusts.join() === bundle().join();
          if (c.canAcknowledge && carries) c.acknowledged = s.serial;
        } else {
          const lacking = clients
            .filter((c) => c.canAcknowledge && c.acknowledged !== s.serial)
            .map((_, i) => ({ name: `c${i}`, why: "" }));
          if (s.phase !== "none" && rotationGate(s, { nowMs, settleMs: 0, lacking, mute: [] }).length === 0)
            step({ t: "advance" });
        }
        const alive = clients.filter((c) => c.expiresMs > nowMs);
        const cutOff = alive.some((a) => alive.some((b) => !a.trusts.includes(b.signer)));
        if (cutOff) throw new Error(`in ${s.phase}: ${JSON.stringify(alive)}`);
      }
    }),
    { numRuns: 300 },
  );
  for (const phase of ["distribute forward", "switch forward", "switch back", "retire forward", "none rotated"])
    expect([...reached]).toContain(phase);
});

test("no text is taken for a state that it is not", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      const read = parseRotation(text);
      if (read.ok) expect(parseRotation(formatRotation(read.value))).toEqual(read);
    }),
  );
  expect(parseRotation('{"phase":"switch","serial":1}').ok).toBe(false);
});
