import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { afterAll, describe, expect, test } from "vitest";
import { requireRoot } from "@lateen/testkit";

const LATEENCTL = path.resolve(import.meta.dirname, "../apps/cli/src/main.ts");

describe.skipIf(requireRoot())("the demo", () => {
  // A PATH with node and nothing else: whoever executes ip, nft, iptables or nsenter fails.
  const bin = mkdtempSync(path.join(tmpdir(), "lateen-bin-"));
  symlinkSync(process.execPath, path.join(bin, "node"));
  afterAll(() => rmSync(bin, { recursive: true }));

  test("proves every claim without any program of the machine", { timeout: 60_000 }, () => {
    const done = spawnSync(process.execPath, ["--conditions=lateen:source", LATEENCTL, "demo"], {
      env: { PATH: bin, HOME: bin },
      encoding: "utf8",
      timeout: 60_000,
    });
    expect(done.stderr).toBe("");
    expect(done.stdout).toMatch(/\n(\d+) of \1 hold; everything is taken down again/);
    expect(done.stdout).not.toContain("FAIL");
    expect(done.status).toBe(0);
  });
});
