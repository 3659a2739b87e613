import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { afterEach, describe, expect, test } from "vitest";
import { eventually, requireRoot } from "@lateen/testkit";
import { ended } from "./support/lateenctl.ts";
import { type Traces, expectNothingLeft, tracesOf } from "./support/leftovers.ts";
import { type MeshHome, TestMesh, local, meshHome, startForeground } from "./support/test-mesh.ts";

const TIMEOUT = { timeout: 90_000 };

describe.skipIf(requireRoot())("a mesh leaves nothing behind", () => {
  let home: MeshHome | null = null;
  afterEach(async () => {
    if (home === null) return;
    await local(home, "down");
    home[Symbol.dispose]();
    home = null;
  });

  function newHome(): MeshHome {
    home = meshHome("single");
    return home;
  }

  /** Brings it up and notes everything that it has. */
  async function up(at: MeshHome): Promise<{ readonly mesh: TestMesh; readonly traces: Traces }> {
    const mesh = await TestMesh.upIn(at, { nodes: 1 });
    return { mesh, traces: noted(mesh) };
  }

  /** As a user who watches the log in a terminal. */
  async function inForeground(at: MeshHome): Promise<{ readonly foreground: ChildProcess; readonly mesh: TestMesh }> {
    const foreground = startForeground(at, { nodes: 1 });
    const mesh = await eventually(
      async () => {
        const found = await TestMesh.of(at);
        return (await found.client.status({ wait: "settled", timeoutMs: 1_000 })).settled ? found : null;
      },
      { deadlineMs: 60_000, what: "the mesh to settle" },
    );
    return { foreground, mesh };
  }

  /** Two pods, their parts and the stray: a list without them could not show that they are gone. */
  function noted(mesh: TestMesh): Traces {
    const traces = tracesOf(mesh.home, mesh.daemonPid, mesh.keeperPid);
    expect(traces.processes.size).toBeGreaterThanOrEqual(8);
    expect([...traces.namespaces].filter((ns) => ns.startsWith("net:")).length).toBeGreaterThanOrEqual(6);
    return traces;
  }

  test("after Ctrl-C", TIMEOUT, async () => {
    const at = newHome();
    const { foreground, mesh } = await inForeground(at);
    const status = await mesh.status();
    expect(status.pods.map((p) => p.name).sort()).toEqual(["captured", "stubborn"]);
    const traces = noted(mesh);
    foreground.kill("SIGINT");
    expect(await ended(foreground)).toMatchObject({ code: 0, signal: null });
    await expectNothingLeft(traces);
  });

  test("after the foreground process was killed", TIMEOUT, async () => {
    const at = newHome();
    const { foreground, mesh } = await inForeground(at);
    const traces = noted(mesh);
    foreground.kill("SIGKILL");
    await once(foreground, "exit");
    // Nobody is left who could remove a file: the next command does.
    expect(await local(at, "status")).toMatchObject({ code: 1, stderr: expect.stringContaining("is not running") });
    await expectNothingLeft(traces);
  });

  test(
    "after kill -9 of the daemon and of its keeper, comes up again each time, and after `down`",
    TIMEOUT,
    async () => {
      const at = newHome();
      for (const victim of ["daemonPid", "keeperPid"] as const) {
        const { mesh, traces } = await up(at);
        process.kill(mesh[victim], "SIGKILL");
        await eventually(async () => (await local(at, "status")).code === 1, { what: "the mesh to be gone" });
        await expectNothingLeft(traces);
      }
      const { mesh, traces } = await up(at);
      expect(await mesh.status()).toMatchObject({ settled: true, problems: [] });
      expect(await mesh.local("down")).toMatchObject({ code: 0, stdout: "mesh e2e is down\n", stderr: "" });
      await expectNothingLeft(traces);
      expect(await mesh.local("down")).toMatchObject({ code: 0, stdout: "mesh e2e is not running\n" });
    },
  );
});
