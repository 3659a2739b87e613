import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requireRoot } from "@lateen/testkit";
import { LATEENCTL } from "./support/lateenctl.ts";
import { ownNetwork, processesAbout } from "./support/leftovers.ts";

describe.skipIf(requireRoot())("the demo", () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(path.join(tmpdir(), "lateen-e2e-"));
    for (const name of ["bin", "tmp"]) mkdirSync(path.join(root, name));
    // A PATH with node and nothing else: whoever executes ip, nft, iptables or nsenter fails.
    symlinkSync(process.execPath, path.join(root, "bin/node"));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  test("proves every claim without any program of the machine, and leaves nothing", { timeout: 60_000 }, () => {
    const network = ownNetwork();
    const [node, ...args] = LATEENCTL;
    const done = spawnSync(node, [...args, "demo"], {
      env: { PATH: path.join(root, "bin"), HOME: root, TMPDIR: path.join(root, "tmp") },
      encoding: "utf8",
      timeout: 60_000,
    });
    expect(done.stderr).toBe("");
    expect(done.stdout).toMatch(/\n(\d+) of \1 hold; everything is taken down again/);
    expect(done.stdout).not.toContain("FAIL");
    expect(done.status).toBe(0);
    expect(processesAbout(root)).toEqual([]);
    expect(readdirSync(path.join(root, "tmp"))).toEqual([]);
    expect(ownNetwork()).toBe(network);
  });
});
