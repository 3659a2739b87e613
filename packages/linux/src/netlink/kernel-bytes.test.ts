import { Buffer } from "node:buffer";
import { existsSync, readFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import {
  type Family,
  type NftExpr,
  defaultInPodOptions,
  inPodPlan,
  iptablesState,
  toIptablesRestore,
  toNftRuleset,
} from "@lateen/redirection";
import { inPodCases } from "@lateen/redirection/suite";
import { requireRoot } from "@lateen/testkit";
import { describe, expect, test } from "vitest";
import { createNetns, inNetns } from "../namespaces.ts";
import { NETLINK_NETFILTER, openNetlink } from "./netlink-socket.ts";
import { encodeExpressions } from "./nft-expr-wire.ts";
import { decodeListed, encodeDump } from "./nft-listing.ts";
import { openNftables } from "./nftables.ts";
import { applyPlan } from "./redirect-plan.ts";
import { Attributes, NetlinkWriter, decodeMessages } from "./wire.ts";

const skip = requireRoot() !== false;
const IPTABLES: Readonly<Record<Family, string>> = { ipv4: "/usr/sbin/iptables", ipv6: "/usr/sbin/ip6tables" };
const EXPRESSIONS = 4;

/** Whether every attribute that we send is in the kernel's answer with the same value. The kernel adds defaults of its own. */
function holds(kernel: Uint8Array, ours: Uint8Array): boolean {
  if (Buffer.compare(kernel, ours) === 0) return true;
  const [k, o] = [new Attributes(kernel).list, new Attributes(ours).list];
  if (o.length === 0 || k.length === 0) return false;
  return o.every((want, i) => {
    // Lists repeat one type, so there the place counts.
    const isList = o.filter((x) => x.type === want.type).length > 1;
    const have = isList ? k[i] : k.find((x) => x.type === want.type);
    return have !== undefined && holds(have.data, want.data);
  });
}

function encoded(expressions: readonly NftExpr[]): Uint8Array {
  const w = new NetlinkWriter();
  encodeExpressions(w, EXPRESSIONS, expressions);
  return new Attributes(w.bytes()).bytes(EXPRESSIONS) ?? new Uint8Array(0);
}

/** Expression bytes of every rule in a namespace, in the order of the kernel. */
function kernelRules(netns: number): Uint8Array[] {
  using socket = openNetlink(NETLINK_NETFILTER, netns);
  return socket.dump(
    "list rules",
    (seq) => encodeDump("rules", seq),
    (m) => new Attributes(m.body.subarray(4)).bytes(EXPRESSIONS)?.slice() ?? null,
  );
}

describe.skipIf(skip)("bytes of a real kernel", () => {
  test.each(inPodCases)("$name: what we encode is what it holds", ({ options }) => {
    using ns = createNetns();
    const plan = inPodPlan(options);
    applyPlan(ns.fd, plan);
    using nft = openNftables(ns.fd);
    const order = nft.read(() => true).tables.flatMap((t) => t.chains.map((c) => `${t.name} ${c.name}`));
    const ours = new Map(
      toNftRuleset(plan).tables.flatMap((t) =>
        t.chains.map((c): [string, typeof c.rules] => [`${t.name} ${c.name}`, c.rules]),
      ),
    );
    const want = order.flatMap((name) => ours.get(name) ?? []).map(encoded);
    const have = kernelRules(ns.fd);
    expect(have).toHaveLength(want.length);
    for (const [i, bytes] of want.entries()) expect(holds(have[i]!, bytes), `rule ${i + 1}`).toBe(true);
  });

  test.skipIf(!existsSync(IPTABLES.ipv4)).each(inPodCases)(
    "$name: iptables takes our text and finds nothing to do",
    ({ options }) => {
      const plan = inPodPlan(options);
      for (const family of plan.families) {
        using ns = createNetns();
        const run = (program: string, args: readonly string[], input = ""): string =>
          inNetns(ns.fd, () =>
            execFileSync(program, args, { input, env: { PATH: "/usr/sbin:/sbin" }, encoding: "utf8", stdio: "pipe" }),
          );
        run(`${IPTABLES[family]}-restore`, ["--noflush"], toIptablesRestore(plan, family));
        const state = iptablesState(plan, family, run(`${IPTABLES[family]}-save`, []));
        expect(state).toMatchObject({ residue: true, delta: false });
        for (const check of state.checks) run("/bin/sh", ["-c", check.replaceAll("!", "\\!")]);
      }
    },
  );
});

/** Recorded on Linux 6.18: the answer to a dump of all rules after the plan below, as hexadecimal text, a datagram a line. */
test("a recorded dump reads as the plan that made it", () => {
  const lines = readFileSync(new URL("../../testdata/rules-dump.hex", import.meta.url), "utf8")
    .trim()
    .split("\n");
  const rules = lines
    .flatMap((line) => decodeMessages(Buffer.from(line, "hex")).messages.map(decodeListed))
    .filter((l) => l?.t === "rule");
  const want = toNftRuleset(inPodPlan(defaultInPodOptions)).tables.flatMap((t) =>
    t.chains.flatMap((c) => c.rules.map((rule) => ({ t: "rule", family: "inet", table: t.name, chain: c.name, rule }))),
  );
  expect(rules).toEqual(want);
});
