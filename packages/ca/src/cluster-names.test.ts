import { describe, expect, test } from "vitest";
import { resolveCluster } from "./cluster-names.ts";

const names = {
  local: "here",
  remotes: ["there"],
  aliases: new Map([
    ["home", "here"],
    ["away", "there"],
    ["lost", "nowhere"],
  ]),
};

describe("the cluster that a caller says it is in", () => {
  test.each([
    ["none", [], "here"],
    ["an empty one", [""], "here"],
    ["the local one", ["here"], "here"],
    ["the local one by an alias", ["home"], "here"],
    ["another one", ["there"], "there"],
    ["another one by an alias", ["away"], "there"],
    ["two, which count as none", ["there", "here"], "here"],
  ])("%s", (_, said, cluster) => {
    const r = resolveCluster(said, names);
    expect(r.ok ? r.value : r.error.message).toBe(cluster);
  });

  test.each([["elsewhere"], ["lost"], ["x".repeat(100_000)]])(
    "is refused when it is not of the mesh, shown in short",
    (said) => {
      const r = resolveCluster([said], names);
      expect(r.ok ? "found" : [r.error.code, r.error.message.length < 200]).toEqual(["DENIED", true]);
    },
  );
});
