import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultInPodOptions, inPodPlan } from "./in-pod-plan.ts";
import { hostPlan, defaultHostOptions } from "./host-plan.ts";
import { opText } from "./iptables-text.ts";
import { iptablesOps } from "./iptables-rules.ts";
import {
  guardrails,
  iptablesAction,
  iptablesRemoval,
  iptablesState,
  leftoverRemoval,
  parseIptablesSave,
} from "./iptables-state.ts";
import type { Family, Plan } from "./plan.ts";

const plan = inPodPlan({ ...defaultInPodOptions, dns: false });

/** Save output of a namespace that holds exactly a plan, as iptables-save lays it out. */
function saveOf(p: Plan, family: Family): string {
  const ops = iptablesOps(p, family);
  return ["mangle", "nat", "raw"]
    .map((table) => {
      const own = ops.filter((o) => o.table === table);
      const chains = own.filter((o) => o.op === "new-chain").map((o) => `:${o.chain} - [0:0]`);
      return `*${table}\n:PREROUTING ACCEPT [0:0]\n${chains.join("\n")}\n${own.flatMap((o) => (o.op === "new-chain" ? [] : [opText(o)])).join("\n")}\nCOMMIT\n`;
    })
    .join("# Completed\n");
}

describe("state against the plan", () => {
  const full = saveOf(plan, "ipv4");
  test.each([
    ["nothing there", "", false, true, "apply", "apply"],
    ["other people's rules", "*nat\n:DOCKER - [0:0]\n-A PREROUTING -j DOCKER\nCOMMIT\n", false, true, "apply", "apply"],
    ["exactly the plan", full, true, false, "nothing", "nothing"],
    ["a rule short", full.replace(/-A ISTIO_OUTPUT -p tcp.*\n/, ""), true, true, "apply-on-top", "replace"],
    ["a rule more", full.replace("COMMIT", "-A ISTIO_PRERT -j ACCEPT\nCOMMIT"), true, true, "apply-on-top", "replace"],
    ["a chain that is not planned", `${full}*raw\n:ISTIO_OLD - [0:0]\nCOMMIT\n`, true, true, "apply-on-top", "replace"],
    ["only a jump", "*nat\n-A OUTPUT -j ISTIO_OUTPUT\nCOMMIT\n", true, true, "apply-on-top", "replace"],
    ["counters shown", full.replaceAll("\n-A", "\n[1:60] -A"), true, false, "nothing", "nothing"],
  ] as const)("%s", (...[, save, residue, delta, plain, reconciling]) => {
    const state = iptablesState(plan, "ipv4", save);
    expect({ residue: state.residue, delta: state.delta }).toEqual({ residue, delta });
    expect(iptablesAction(state, false)).toBe(plain);
    expect(iptablesAction(state, true)).toBe(reconciling);
  });

  test("a family left out of the plan must hold nothing", () => {
    const v4 = inPodPlan({ ...defaultInPodOptions, ipv6: false });
    expect(iptablesState(v4, "ipv6", "").delta).toBe(false);
    expect(iptablesState(v4, "ipv6", saveOf(plan, "ipv6")).delta).toBe(true);
  });

  test("checks ask for each jump and rule of the family", () => {
    const { checks } = iptablesState(plan, "ipv6", "");
    expect(checks).toContain("ip6tables -t nat -C PREROUTING -j ISTIO_PRERT");
    expect(checks).toHaveLength(iptablesOps(plan, "ipv6").filter((o) => o.op !== "new-chain").length);
  });
});

test("guardrails are six rules, and deleting names the same ones", () => {
  const put = guardrails("ipv4", "insert");
  expect(put).toHaveLength(6);
  expect(put[0]).toBe("iptables -t filter -I INPUT 1 -p tcp -j DROP");
  expect(guardrails("ipv4", "delete")).toEqual(put.map((c) => c.replace(/-I (\w+) 1/, "-D $1")));
});

test("removal takes jumps, then contents, then chains, for each family", () => {
  const all = iptablesRemoval(plan);
  expect(all).toHaveLength(2 * 18);
  expect(all.findLastIndex((c) => c.startsWith("iptables ") && c.includes(" -D "))).toBeLessThan(
    all.findIndex((c) => c.includes(" -F ")),
  );
  expect(iptablesRemoval(hostPlan(defaultHostOptions))).toHaveLength(6);
});

test("leftovers are removed by what the save showed", () => {
  const save = "*nat\n:ISTIO_OLD - [0:0]\n-A OUTPUT -p tcp -j ISTIO_OLD\n-A ISTIO_OLD -j RETURN\nCOMMIT\n";
  expect(leftoverRemoval("ipv6", save)).toEqual([
    "ip6tables -t nat -D OUTPUT -p tcp -j ISTIO_OLD",
    "ip6tables -t nat -F ISTIO_OLD",
    "ip6tables -t nat -X ISTIO_OLD",
  ]);
});

test("any text can be read as a save", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseIptablesSave(text)));
});
