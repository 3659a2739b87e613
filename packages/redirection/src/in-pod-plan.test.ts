import { readFileSync } from "node:fs";
import { MeshError } from "@lateen/errors";
import { golden } from "@lateen/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatExpr } from "./format-expr.ts";
import { defaultInPodOptions, inPodPlan, isInterfaceName } from "./in-pod-plan.ts";
import { iptablesOps } from "./iptables-rules.ts";
import { toIptablesCommands, toIptablesRestore } from "./iptables-text.ts";
import { toNftRuleset } from "./nft-expressions.ts";
import { nftRemovalText, toNftText } from "./nft-text.ts";
import type { NftRuleset } from "./nft-ruleset.ts";
import { inPodCases } from "./suite.ts";

type Blocks = Record<string, string[]>;

/** Expressions of each rule by chain, in the words of `nft --debug=netlink`. */
function ours(r: NftRuleset): Blocks {
  const chains = r.tables.flatMap((t) => t.chains.map((c) => [`${t.family} ${t.name} ${c.name}`, c.rules] as const));
  return Object.fromEntries(
    chains
      .filter(([, rules]) => rules.length > 0)
      .map(([name, rules]) => [name, rules.map((x) => x.map((e) => `  ${formatExpr(e)}`).join("\n"))]),
  );
}

/** The same from what nft printed: a line that names the chain, its expressions, a blank line. */
function oracle(text: string): Blocks {
  const out: Blocks = {};
  for (const block of text.trimEnd().split("\n\n")) {
    const [chain, ...expressions] = block.split("\n").map((l) => l.trimEnd());
    (out[chain!] ??= []).push(expressions.join("\n")); // splitting gives at least one line
  }
  return out;
}

describe.each(inPodCases)("$name", ({ name, options }) => {
  const plan = inPodPlan(options);
  test("iptables-restore text", () =>
    golden(`${name}.iptables`, `# IPv4\n${toIptablesRestore(plan, "ipv4")}# IPv6\n${toIptablesRestore(plan, "ipv6")}`));
  test("nft text", () => golden(`${name}.nft`, toNftText(plan)));
  test("nf_tables expressions equal those of nft", () => {
    const text = readFileSync(new URL(`../testdata/${name}.nft-debug.golden`, import.meta.url), "utf8");
    expect(ours(toNftRuleset(plan))).toEqual(oracle(text));
  });
  test("equal options give equal plans", () => expect(inPodPlan({ ...options })).toEqual(plan));

  test("every renderer renders every rule", () => {
    const nft = toNftRuleset(plan).tables.flatMap((t) =>
      t.chains.filter((c) => c.base === null).flatMap((c) => c.rules),
    );
    expect(nft).toHaveLength(plan.rules.length);
    const ops = plan.families.flatMap((f) => iptablesOps(plan, f).filter((o) => o.op !== "new-chain"));
    const both = plan.rules.filter((r) => r.family === "any").length * plan.families.length;
    expect(ops).toHaveLength(
      both + plan.rules.filter((r) => r.family !== "any").length + plan.entries.length * plan.families.length,
    );
    expect(toNftText(plan).match(/ counter /g)).toHaveLength(plan.rules.length);
  });

  test("every rule of the proxy's own packets lets them pass", () => {
    const captures = plan.rules.filter((r) => r.action.t === "redirect" && r.table === "nat" && r.chain === "output");
    // The old form's UDP rule had no exemption, which is why it was changed.
    const exempt = captures.filter((r) => r.match.some((m) => m.t === "mark" && m.not));
    expect(exempt).toHaveLength(captures.length - (plan.form === "tproxy" && options.dns ? 1 : 0));
  });
});

test("commands are how the old release applied its rules", () => {
  golden(
    "tproxy-commands",
    `${toIptablesCommands(inPodPlan({ ...defaultInPodOptions, form: "tproxy" })).join("\n")}\n`,
  );
});

test("chains that are only jumped to are made too", () => {
  const text = toIptablesRestore(inPodPlan({ ...defaultInPodOptions, inbound: "bypass", dns: false }), "ipv4");
  expect(text).toContain("* nat\n-N ISTIO_OUTPUT\n-N ISTIO_PRERT\n");
});

test("removal names the tables of every option", () => {
  expect(nftRemovalText(inPodPlan({ ...defaultInPodOptions, dns: false })).match(/delete table/g)).toHaveLength(3);
});

test("a family that the plan leaves out renders as nothing", () => {
  expect(toIptablesRestore(inPodPlan({ ...defaultInPodOptions, ipv6: false }), "ipv6")).toBe("");
});

test("marks lie in registers in the machine's order", () => {
  const rules = (order: "LE" | "BE") => JSON.stringify(toNftRuleset(inPodPlan(defaultInPodOptions), order));
  expect(rules("LE")).toContain('"39050000"');
  expect(rules("BE")).toContain('"00000539"');
  expect(rules("BE")).not.toContain('"39050000"');
});

test.each([
  ["an interface name with a blank", { virtualInterfaces: ["eth0 -j ACCEPT"] }],
  ["an interface name with a new line", { virtualInterfaces: ["eth0\n-A"] }],
  ["an empty interface name", { virtualInterfaces: [""] }],
  ["an interface name that is too long", { virtualInterfaces: ["a234567890123456"] }],
  ["an interface name that is an option", { virtualInterfaces: ["-j"] }],
  ["a probe source that is no address", { probeSource: { ipv4: "169.254.7.127; flush", ipv6: "::1" } }],
])("refuses %s", (_, change) => {
  expect(() => inPodPlan({ ...defaultInPodOptions, ...change })).toThrow(MeshError);
});

test("an address of the wrong family has no expressions", () => {
  const plan = inPodPlan({ ...defaultInPodOptions, probeSource: { ipv4: "fd00::1", ipv6: "fd00::1" } });
  expect(() => toNftRuleset(plan)).toThrow(/not one ipv4 address/);
});

test("no accepted interface name can break out of a text form", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), (name) => {
      fc.pre(isInterfaceName(name));
      const plan = inPodPlan({ ...defaultInPodOptions, virtualInterfaces: [name] });
      expect(toNftText(plan).split("\n")).toHaveLength(
        toNftText(inPodPlan({ ...defaultInPodOptions, virtualInterfaces: ["x"] })).split("\n").length,
      );
      expect(name).toMatch(/^[^\s"'{};,*+!/\\#-][^\s"'{};,*+!/\\#]*$/);
    }),
  );
});
