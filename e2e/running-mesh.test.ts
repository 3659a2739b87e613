import { globSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePrograms, requireRoot, requirement } from "@lateen/testkit";
import { dataPlaneSuite } from "./data-plane.suite.ts";
import { dataThreadsSuite } from "./data-threads.suite.ts";
import { liveEditsSuite } from "./live-edits.suite.ts";
import { TestMesh } from "./support/test-mesh.ts";
import { type Vanished, vanishingNode } from "./support/vanishing-node.ts";
import { workloadsSuite } from "./workloads.suite.ts";

const noRoot = requireRoot();
const noPrograms =
  noRoot ||
  requirePrograms(
    "nginx",
    "curl",
    "redis-server",
    "redis-benchmark",
    "redis-cli",
    "psql",
    "pgbench",
    "iperf3",
    "setpriv",
  ) ||
  requirement(globSync("/usr/lib/postgresql/*/bin/postgres").length > 0 ? null : "needs postgres");

// One mesh for all of these: bringing one up is what costs.
describe.skipIf(noRoot)("a mesh of three nodes", () => {
  let running: TestMesh | null = null;
  let vanished: Promise<Vanished>;
  const mesh = (): TestMesh => {
    if (running === null) throw new Error("The mesh is not up");
    return running;
  };

  beforeAll(async () => {
    running = await TestMesh.up(["pair", "far", ...(noPrograms === false ? ["apps"] : [])], { nodes: 3 });
    // It takes half a minute in which nothing happens: meanwhile the others run, on the other two nodes.
    vanished = vanishingNode(running);
    vanished.catch(() => undefined); // the test below awaits it
  });
  afterAll(() => running?.[Symbol.asyncDispose]());

  dataPlaneSuite(mesh);
  dataThreadsSuite(mesh);
  liveEditsSuite(mesh);
  describe.skipIf(noPrograms)("with programs of the machine", () => workloadsSuite(mesh));

  test(
    "when a node vanishes its connections end, new ones fail, and they work again afterwards",
    { timeout: 120_000 },
    async () => {
      expect(await vanished).toEqual({ open: "ECONNRESET", fresh: "ECONNRESET", afterwards: "here again" });
    },
  );
});
