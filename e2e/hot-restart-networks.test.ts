import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventually, requireRoot } from "@lateen/testkit";
import { LiveFlow } from "./support/live-flow.ts";
import { NodeZtunnels } from "./support/node-ztunnels.ts";
import { FAR_IP, FAR_PORT, openOtherNetwork } from "./support/other-network.ts";
import { TestMesh } from "./support/test-mesh.ts";
import { echo } from "./support/traffic.ts";

const FLOWS = 6;
const TIMEOUT = { timeout: 150_000 };
/** Where nobody says how much grace a ztunnel has. */
const DRAINS_FOR_MS = 5_000;

describe.skipIf(requireRoot())("ztunnels replaced under connections to another network", () => {
  let mesh: TestMesh;
  let ztunnels: NodeZtunnels;
  let passed: () => number;
  let flows: LiveFlow[] = [];

  beforeAll(async () => {
    mesh = await TestMesh.up(["pair", "gateway"]);
    ztunnels = new NodeZtunnels(mesh);
    await (await mesh.pod("server")).listen(7_000, echo);
    passed = await openOtherNetwork(mesh);
  });
  afterEach(() => {
    for (const flow of flows) flow.close();
    flows = [];
  });
  afterAll(async () => {
    ztunnels[Symbol.dispose]();
    await mesh[Symbol.asyncDispose]();
  });

  async function open(): Promise<void> {
    const before = passed();
    const client = await mesh.pod("client");
    for (let seed = 0; seed < FLOWS; seed++) {
      const kind = seed % 2 === 0 ? "busy" : "idle";
      flows.push(await LiveFlow.open(client, { ip: FAR_IP, port: FAR_PORT }, { seed, kind }));
    }
    await progress();
    expect(passed() - before).toBe(FLOWS); // each by a tunnel of its own, through the gateway
  }

  const progress = async (): Promise<void> => {
    const before = flows.map((flow) => flow.received);
    for (const flow of flows) flow.send(31);
    const all = (): boolean => flows.every((flow, i) => flow.problem !== null || flow.received > before[i]!);
    await eventually(all, { what: "every connection to carry bytes" });
    expect(flows.flatMap((flow) => flow.problem ?? [])).toEqual([]);
  };

  test("keeps every one, and all its bytes, several times in a row", TIMEOUT, async () => {
    await open();
    for (const node of ["node-1", "node-2", "node-1", "node-1", "node-2"]) {
      const upgraded = await mesh.client.upgradeZtunnel(node);
      expect(upgraded.handedOver).toMatchObject({ outcome: "done", left: 0, declined: 0 });
      // On the client's node each is one; on the other the gateway and the server have it too.
      expect(upgraded.handedOver!.connections).toBeGreaterThanOrEqual(node === "node-1" ? FLOWS : 2 * FLOWS);
      await progress();
    }
    for (const flow of flows) expect(await flow.answered()).toBeNull();
  });

  test("moves them to the next version, and back", TIMEOUT, async () => {
    await open();
    const before = await ztunnels.restarts("node-1");
    const newer = await ztunnels.next("node-1", { NEXT_BY: "1" });
    await ztunnels.says(newer, /took over.*outcome="done".*left=0/);
    await progress();
    expect(await ztunnels.ended(newer)).toBe(0); // the daemon's own has taken over again
    expect(await ztunnels.restarts("node-1")).toBeGreaterThan(before);
    for (const flow of flows) expect(await flow.answered()).toBeNull();
  });

  test("leaves them to drain when the other version does not know them; all else moves", TIMEOUT, async () => {
    await open();
    const [client, server] = await Promise.all([mesh.pod("client"), mesh.pod("server")]);
    const beside = await LiveFlow.open(client, { ip: server.ip, port: 7_000 }, { seed: 99, kind: "busy" });
    const older = await ztunnels.next("node-1", { NEXT_BY: "-1" });
    await ztunnels.says(older, new RegExp(`took over.*outcome="done".*left=${FLOWS}`));
    const allEnded = (): boolean => flows.every((flow) => flow.problem !== null);
    await eventually(allEnded, { what: "what had to drain to have ended", deadlineMs: DRAINS_FOR_MS + 10_000 });
    for (const { problem } of flows) expect(problem).not.toContain("wrong");
    // The older one carries new ones, and leaves them when the daemon's own takes over again.
    expect(await ztunnels.ended(older)).toBe(0);
    expect(await beside.answered()).toBeNull();
    beside.close();
    flows = [];
    await open();
  });
});
