import { defaultInPodOptions, formatExpr, inPodPlan, toNftText } from "@lateen/redirection";
import { inPodCases } from "@lateen/redirection/suite";
import { requireRoot } from "@lateen/testkit";
import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createNetns, inNetns } from "../namespaces.ts";
import type { NftChange } from "./nft-changes.ts";
import { openNftables } from "./nftables.ts";
import { applyPlan, openPodRedirection, readBack, removePlan } from "./redirect-plan.ts";
import { openRtnetlink } from "./rtnetlink.ts";

const skip = requireRoot() !== false;
const NFT = "/usr/sbin/nft";
const plan = inPodPlan({ ...defaultInPodOptions, virtualInterfaces: ["vnet0"] });

describe.skipIf(skip)("plans in a real kernel", () => {
  describe.each(inPodCases)("$name", ({ options }) => {
    const own = inPodPlan(options);
    test("is read back as planned, twice, and leaves nothing", () => {
      using ns = createNetns();
      using pod = openPodRedirection(ns.fd);
      pod.apply(own);
      expect(pod.drift(own)).toEqual([]);
      const once = pod.read();
      pod.apply(own);
      expect(pod.read()).toEqual(once);
      pod.remove(own);
      expect(pod.read()).toEqual({ ruleset: { tables: [] }, rules: [], routes: [], ipv6: true });
      pod.remove(own);
    });
    test("takes over from another plan, and the other from it", () => {
      using ns = createNetns();
      using pod = openPodRedirection(ns.fd);
      for (const p of [plan, own, inPodPlan({ ...defaultInPodOptions, form: "tproxy" }), own]) {
        pod.apply(p);
        expect(pod.drift(p)).toEqual([]);
      }
    });
    test.skipIf(!existsSync(NFT))("is what nft makes of the text", () => {
      using byText = createNetns();
      using byNetlink = createNetns();
      applyPlan(byNetlink.fd, own);
      inNetns(byText.fd, () => execFileSync(NFT, ["-f", "-"], { input: toNftText(own), env: {} }));
      expect(sorted(byText.fd)).toEqual(sorted(byNetlink.fd));
    });
  });
});

/** Rules by chain, as text: the order in which chains are listed is the order of their making. */
function sorted(netns: number): unknown {
  const chains = readBack(netns).ruleset.tables.flatMap((t) =>
    t.chains.map((c) => [`${t.name} ${c.name}`, c.base, c.rules.map((r) => r.map(formatExpr))] as const),
  );
  return chains.toSorted(([a], [b]) => a.localeCompare(b));
}

const at = { family: "inet", table: "istio-ambient-nat" } as const;
const damages: readonly { name: string; changes: readonly NftChange[]; says: RegExp }[] = [
  {
    name: "a chain emptied",
    changes: [{ t: "flush", ...at, chain: "istio-output" }],
    says: /istio-output rule 1: want .*, have nothing/,
  },
  {
    name: "a rule added",
    changes: [
      { t: "add-rule", ...at, chain: "istio-output", expressions: [{ t: "verdict", code: "accept", chain: "" }] },
    ],
    says: /istio-output rule 11: want nothing, have \[ immediate reg 0 accept \]/,
  },
  {
    name: "a rule changed",
    changes: [
      { t: "flush", ...at, chain: "output" },
      { t: "add-rule", ...at, chain: "output", expressions: [{ t: "verdict", code: "goto", chain: "istio-output" }] },
    ],
    says: /output rule 1: want .*jump -> istio-output.*, have .*goto -> istio-output/,
  },
  {
    name: "a chain added",
    changes: [{ t: "add-chain", ...at, chain: "mine", base: null }],
    says: /mine: chain is not ours to have/,
  },
  {
    name: "a chain of another shape",
    changes: [
      { t: "flush", ...at, chain: "output" },
      { t: "delete-chain", ...at, chain: "output" },
      { t: "add-chain", ...at, chain: "output", base: { type: "nat", hook: "output", priority: -90 } },
    ],
    says: /output: want type nat hook output priority -100, have type nat hook output priority -90/,
  },
  { name: "a table removed", changes: [{ t: "delete-table", ...at }], says: /istio-ambient-nat: table is missing/ },
];

describe.skipIf(skip)("drift", () => {
  test.each(damages)("$name is found and repaired", ({ changes, says }) => {
    using ns = createNetns();
    using pod = openPodRedirection(ns.fd);
    using nft = openNftables(ns.fd);
    pod.apply(plan);
    nft.change(changes);
    expect(pod.drift(plan).join("\n")).toMatch(says);
    pod.apply(plan);
    expect(pod.drift(plan)).toEqual([]);
  });

  test("a table of another option is found and repaired", () => {
    using ns = createNetns();
    using pod = openPodRedirection(ns.fd);
    const without = inPodPlan({ ...defaultInPodOptions, dns: false });
    pod.apply(without);
    using nft = openNftables(ns.fd);
    nft.change([{ t: "add-table", family: "inet", table: "istio-ambient-raw" }]);
    expect(pod.drift(without)).toEqual(["inet istio-ambient-raw: table is not part of the plan"]);
    pod.apply(without);
    expect(pod.drift(without)).toEqual([]);
  });

  test("somebody else's table is neither drift nor touched", () => {
    using ns = createNetns();
    using pod = openPodRedirection(ns.fd);
    using nft = openNftables(ns.fd);
    nft.change([{ t: "add-table", family: "ip", table: "theirs" }]);
    pod.apply(plan);
    expect(pod.drift(plan)).toEqual([]);
    removePlan(ns.fd, plan);
    expect(nft.read((name) => name === "theirs").tables).toHaveLength(1);
  });

  test("lost routes and policy rules are found and repaired", () => {
    using ns = createNetns();
    using pod = openPodRedirection(ns.fd);
    using rt = openRtnetlink(ns.fd);
    pod.apply(plan);
    rt.deleteRoute({ destination: "0.0.0.0", prefixLength: 0, table: 100, type: "local", scope: "host" });
    rt.deleteRule(rt.rules("ipv6").find((r) => r.table === 100)!);
    expect(pod.drift(plan)).toEqual([
      "ipv4 route table 100: the local route to lo is missing",
      "ipv6 policy rule of priority 32764 to table 100 is missing",
    ]);
    pod.apply(plan);
    expect(pod.drift(plan)).toEqual([]);
  });

  test("without IPv6 in the namespace its routing is neither made nor missed", () => {
    using ns = createNetns();
    using pod = openPodRedirection(ns.fd);
    inNetns(ns.fd, () => writeFileSync("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "1"));
    pod.apply(plan);
    expect(pod.drift(plan)).toEqual([]);
    expect(pod.read().routes).toEqual(["ipv4"]);
  });
});

describe.skipIf(skip)("batches", () => {
  test("a refused batch leaves what was there, and names the change", () => {
    using ns = createNetns();
    using nft = openNftables(ns.fd);
    applyPlan(ns.fd, plan);
    const before = readBack(ns.fd);
    const change = (): void =>
      nft.change([
        { t: "delete-table", ...at },
        { t: "add-rule", family: "inet", table: "nowhere", chain: "x", expressions: [] },
      ]);
    expect(change).toThrow(/Cannot add rule inet nowhere x: ENOENT/);
    expect(readBack(ns.fd)).toEqual(before);
  });

  test("a thousand rules go in one batch", () => {
    using ns = createNetns();
    using nft = openNftables(ns.fd);
    const rules: NftChange[] = Array.from({ length: 1000 }, () => ({
      t: "add-rule",
      family: "ip",
      table: "t",
      chain: "c",
      expressions: [{ t: "cmp", op: "eq", reg: 1, data: "00000000" }, { t: "counter" }],
    }));
    // A compare needs something loaded before it.
    for (const r of rules)
      if (r.t === "add-rule")
        Object.assign(r, { expressions: [{ t: "meta-load", key: "mark", reg: 1 }, ...r.expressions] });
    nft.change([
      { t: "add-table", family: "ip", table: "t" },
      { t: "add-chain", family: "ip", table: "t", chain: "c", base: null },
      ...rules,
    ]);
    expect(nft.read((n) => n === "t").tables[0]?.chains[0]?.rules).toHaveLength(1000);
  });

  test("elements of a set keep their comment and outlive a new ruleset", () => {
    using ns = createNetns();
    using nft = openNftables(ns.fd);
    const ruleset = {
      tables: [{ family: "inet", name: "t", sets: [{ name: "s", type: "ipv4_addr" }], chains: [] }],
    } as const;
    nft.replace(ruleset);
    const element = {
      family: "inet",
      table: "t",
      set: "s",
      key: Uint8Array.of(10, 0, 0, 1),
      comment: "uid-1",
    } as const;
    nft.addElement(element);
    nft.replace(ruleset);
    expect(nft.elements("inet", "t", "s")).toEqual([{ key: element.key, comment: "uid-1" }]);
    nft.deleteElement(element);
    expect(nft.elements("inet", "t", "s")).toEqual([]);
  });
});
