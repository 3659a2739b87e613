import { golden } from "@lateen/testkit";
import { expect, test } from "vitest";
import { formatExpr } from "./format-expr.ts";
import { defaultHostOptions, hostPlan } from "./host-plan.ts";
import { toIptablesCommands, toIptablesRestore } from "./iptables-text.ts";
import { toNftRuleset } from "./nft-expressions.ts";
import { nftRemovalText, nftSetsText, toNftText } from "./nft-text.ts";

const plan = hostPlan(defaultHostOptions);

test("the node's rules in every form", () => {
  const table = toNftRuleset(plan).tables[0]!;
  const expressions = table.chains.flatMap((c) => c.rules.map((r) => r.map(formatExpr).join(" ")));
  golden(
    "host",
    [
      "# iptables\n",
      toIptablesRestore(plan, "ipv4"),
      toIptablesRestore(plan, "ipv6"),
      "# nft\n",
      nftSetsText(plan),
      toNftText(plan),
      "# nft, removal\n",
      nftRemovalText(plan),
      "# expressions\n",
      expressions.join("\n"),
      "\n# release 1.21\n",
      toIptablesCommands(hostPlan({ ...defaultHostOptions, form: "tproxy" })).join("\n"),
      "\n",
    ].join(""),
  );
});

test("removal keeps who is in the sets", () => {
  expect(nftRemovalText(plan)).not.toContain("delete");
});
