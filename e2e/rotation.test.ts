import { eventually, requireRoot } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lateenctl } from "./support/lateenctl.ts";
import { LiveFlow } from "./support/live-flow.ts";
import { TestMesh } from "./support/test-mesh.ts";
import { Traffic, echo } from "./support/traffic.ts";

const PORT = 7_000;
const MESH = ["--mesh", "e2e"];
const NODES = ["node-1", "node-2"];
const TIMEOUT = { timeout: 400_000 };

interface Page {
  readonly roots: readonly { readonly serial: string }[];
  readonly signing: readonly { readonly serial: string }[];
  readonly rotation: { readonly phase: string; readonly last: { readonly outcome: string } | null };
}

describe.skipIf(requireRoot())("the root of a mesh", () => {
  let mesh: TestMesh;
  let traffic: Traffic;
  const flows: LiveFlow[] = [];

  beforeAll(async () => {
    mesh = await TestMesh.up(["pair"]);
    const [client, server] = await Promise.all(["client", "server"].map((n) => mesh.pod(n)));
    await server!.listen(PORT, echo);
    const to = { ip: server!.ip, port: PORT };
    traffic = new Traffic({ from: client!, to, marker: "new" });
    await traffic.successes(3);
    for (const kind of ["busy", "idle"] as const) flows.push(await LiveFlow.open(client!, to, { seed: 1, kind }));
  }, 240_000);
  afterAll(async () => {
    for (const flow of flows) flow.close();
    await traffic[Symbol.asyncDispose]();
    await mesh[Symbol.asyncDispose]();
  }, 120_000);

  const ctl = async (...words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await lateenctl([...words, ...MESH], mesh.home.env);
    expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: "" });
    return stdout;
  };
  const page = async (): Promise<Page> => JSON.parse(await ctl("ca", "status", "-o", "json")) as Page;
  /** Serial numbers of the roots in the certificates that ztunnels hold, as people see them. */
  async function rootsInUse(): Promise<ReadonlySet<string>> {
    const tables = await Promise.all(NODES.map((node) => ctl("ztunnel-config", "certificate", "--node", node)));
    const rows = tables.flatMap((table) => table.split("\n").map((line) => line.split(/\s{2,}/)));
    return new Set(rows.flatMap(([, type, , , serial]) => (type === "Root" && serial !== undefined ? [serial] : [])));
  }
  const unharmed = async (): Promise<void> => {
    await traffic.successes(3);
    expect([traffic.failures, traffic.corrupted, flows.map((f) => f.problem)]).toEqual([[], [], [null, null]]);
  };

  test(
    "is replaced while connections live and new ones come; none fails, and the old root is gone everywhere",
    TIMEOUT,
    async () => {
      const before = (await page()).roots.map((r) => r.serial);
      expect(await rootsInUse()).toEqual(new Set(before));
      const said = await ctl("ca", "rotate", "--wait");
      expect(said).toMatch(/^1 distribute: .*\n2 switch: .*\n3 retire: .*\nrotation: phase distribute, since /);
      expect(said).toMatch(/rotation: phase switch[^]*rotation: phase retire[^]*rotation: none; the last one: rotated/);
      const after = await page();
      expect(after.rotation).toMatchObject({ phase: "none", last: { outcome: "rotated" } });
      expect(after.roots).toHaveLength(1);
      expect(after.signing).toEqual(after.roots);
      expect(before).not.toContain(after.roots[0]?.serial);
      expect(await rootsInUse()).toEqual(new Set(after.roots.map((r) => r.serial)));
      await unharmed();
      const dump = JSON.parse(await ctl("ztunnel-config", "all", "-o", "json")) as { trustBundle?: unknown };
      expect(dump.trustBundle).toMatchObject({ acknowledged: true, waitingFor: [], roots: [{}] });
    },
  );

  test("is rolled back after the control plane was killed in its midst, and nobody notices", TIMEOUT, async () => {
    const ask = async (method: "GET" | "POST", what = ""): Promise<Page> =>
      JSON.parse(await mesh.client.controlPlane(method, `/debug/ca${what}`)) as Page;
    const before = await ask("GET");
    expect((await ask("POST", "/rotate")).rotation.phase).toBe("distribute");
    const [controlPlane] = await mesh.parts();
    mesh.signal(controlPlane!, "SIGKILL");
    // It goes on with what it finds, and may have come to any phase when we reach it.
    const outcome = await eventually(
      async () => {
        const gone = (await mesh.parts())[0]!.restarts > controlPlane!.restarts;
        if (!gone) return undefined;
        return ask("POST", "/rollback").then(
          () => "rolled back",
          (e: Error) => (/retired|none is under way/.test(e.message) ? "rotated" : undefined),
        );
      },
      { what: "the control plane to take the rollback", deadlineMs: 120_000 },
    );
    await eventually(async () => (await ask("GET")).rotation.phase === "none", {
      what: "the end of it",
      deadlineMs: 120_000,
    });
    const after = await ask("GET");
    expect(after.rotation.last).toMatchObject({ outcome });
    if (outcome === "rolled back") expect(after.roots).toEqual(before.roots);
    const known = new Set(after.roots.map((r) => r.serial));
    await eventually(async () => [...(await rootsInUse())].every((serial) => known.has(serial)), {
      what: "the other root to be gone",
      deadlineMs: 120_000,
    });
    await unharmed();
    for (const flow of flows) expect(await flow.answered()).toBeNull();
  });
});
