import type { Socket } from "node:net";
import process from "node:process";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { eventually, requireRoot } from "@lateen/testkit";
import { LiveFlow } from "./support/live-flow.ts";
import { NodeZtunnels } from "./support/node-ztunnels.ts";
import { TestMesh } from "./support/test-mesh.ts";
import { Traffic, echo } from "./support/traffic.ts";

const PORT = 7_000;
const TIMEOUT = { timeout: 150_000 };
const DEATHS = [
  ["that is killed", "process", "SIGKILL"],
  ["of which a data thread ends", "thread", 1],
] as const;

describe.skipIf(requireRoot())("a hand-over that goes wrong", () => {
  let mesh: TestMesh;
  let traffic: Traffic;
  let ztunnels: NodeZtunnels;
  let flows: LiveFlow[] = [];
  /** What the server has accepted and not seen the end of. */
  const accepted = new Set<Socket>();

  beforeAll(async () => {
    mesh = await TestMesh.up(["pair"]);
    ztunnels = new NodeZtunnels(mesh);
    const [client, server, bystander] = await Promise.all(["client", "server", "bystander"].map((n) => mesh.pod(n)));
    await server!.listen(PORT, (socket) => {
      accepted.add(socket);
      socket.on("close", () => accepted.delete(socket));
      echo(socket);
    });
    await bystander!.listen(PORT, echo);
    traffic = new Traffic({ from: client!, to: { ip: server!.ip, port: PORT }, marker: "new" });
    await traffic.successes(3);
  });
  afterAll(async () => {
    ztunnels[Symbol.dispose]();
    await traffic[Symbol.asyncDispose]();
    await mesh[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    const [client, server, bystander] = await Promise.all(["client", "server", "bystander"].map((n) => mesh.pod(n)));
    // Through a tunnel to the other node, and out of the mesh.
    for (let seed = 0; seed < 12; seed++) {
      const to = { ip: (seed % 2 === 0 ? bystander! : server!).ip, port: PORT };
      flows.push(await LiveFlow.open(client!, to, { seed, kind: seed % 4 < 2 ? "busy" : "idle" }));
    }
    await all(carry);
  });
  afterEach(() => {
    for (const flow of flows) flow.close();
    flows = [];
  });

  /** Whether a flow carries: something goes there and comes back. */
  const carry = async (flow: LiveFlow): Promise<boolean> => {
    const before = flow.received;
    if (flow.problem === null) flow.send(31);
    await eventually(() => flow.problem !== null || flow.received > before, { what: "an answer, or an end" });
    return flow.problem === null;
  };
  /** Flows of which that is so; none of them hangs. */
  async function which(is: (flow: LiveFlow) => Promise<boolean>): Promise<readonly LiveFlow[]> {
    const so = await Promise.all(flows.map(is));
    return flows.filter((_, i) => so[i]);
  }
  async function all(is: (flow: LiveFlow) => Promise<boolean>): Promise<void> {
    expect((await which(is)).length).toBe(flows.length);
  }
  /** No byte was wrong, whatever else happened. */
  const noneWrong = (): void => {
    for (const { problem } of flows) expect(problem ?? "").not.toContain("wrong");
  };

  test.each(DEATHS)("a successor %s half-way takes with it only what it had taken", TIMEOUT, async (_, what, end) => {
    const before = ztunnels.of("node-1");
    const successor = await ztunnels.next("node-1", { NEXT_BY: "1", NEXT_DIES: `read 2 ${what}` });
    expect(await ztunnels.ended(successor)).toBe(end);
    const left = await which(carry);
    expect(left.length).toBeGreaterThan(0);
    expect(left.length).toBeLessThan(flows.length);
    noneWrong();
    expect(ztunnels.of("node-1")).toEqual(before); // the one before goes on, and accepts
    await traffic.successes(3);
    await traffic.successes(3);
    expect((await mesh.client.upgradeZtunnel("node-1")).handedOver).toMatchObject({ outcome: "done", left: 0 });
    expect(await which(carry)).toEqual(left);
    noneWrong();
  });

  test.each(DEATHS)("a predecessor %s half-way takes with it only what it still had", TIMEOUT, async (_, what, end) => {
    const predecessor = await ztunnels.next("node-1", { NEXT_BY: "1", NEXT_DIES: `write 2 ${what}` });
    await ztunnels.says(predecessor, /took over.*outcome="done"/);
    // The daemon starts its own again, which takes over in turn.
    expect(await ztunnels.ended(predecessor)).toBe(end);
    await eventually(() => ztunnels.of("node-1").length === 1, { what: "the daemon's own to be alone" });
    expect((await which(carry)).length).toBeLessThan(flows.length);
    noneWrong();
    await traffic.successes(3);
    const left = await which(carry);
    expect((await mesh.client.upgradeZtunnel("node-1")).handedOver).toMatchObject({ outcome: "done", left: 0 });
    expect(await which(carry)).toEqual(left);
  });

  test("a predecessor may be killed while its successor still rehearses", TIMEOUT, async () => {
    const successor = await ztunnels.next("node-1", { NEXT_BY: "1" });
    await ztunnels.says(successor, /a predecessor hands over/);
    await mesh.kill("ztunnel-node-1");
    await eventually(() => flows.every((flow) => flow.problem !== null), { what: "what it carried to have ended" });
    noneWrong();
    await traffic.successes(5);
    // The daemon has started its own again meanwhile: it has taken over in turn, or found nobody yet and serves beside it.
    successor.kill("SIGTERM");
    expect(await ztunnels.ended(successor)).toBe(0);
    await traffic.successes(5);
  });

  test(
    "killed with no successor, its connections end at once on either side, and the next one serves",
    TIMEOUT,
    async () => {
      const ended = Promise.all(
        flows.map((flow) => eventually(() => flow.problem !== null, { what: "the client to hear of it" })),
      );
      const heard = [...accepted];
      await mesh.kill("ztunnel-node-1");
      await ended;
      await eventually(() => heard.every((socket) => !accepted.has(socket)), { what: "the server to hear of it" });
      noneWrong();
      await traffic.successes(5);
      // Nothing of it is left in the peer either.
      const dump = JSON.parse(await mesh.client.ztunnelAdmin("node-2", "GET", "/config_dump")) as {
        workloadState: Record<string, { connections?: { inbound: readonly unknown[] } }>;
      };
      const inbound = Object.values(dump.workloadState).flatMap((w) => w.connections?.inbound ?? []);
      expect(inbound.length).toBeLessThanOrEqual(1); // that of the traffic
    },
  );

  test(
    "a successor without a format in common is refused: the one before drains, new connections go on",
    TIMEOUT,
    async () => {
      const restarts = await ztunnels.restarts("node-2");
      const later = await ztunnels.next("node-2", { NEXT_BY: "2" });
      await ztunnels.says(later, /the predecessor does not hand over; it is asked to drain/);
      // It ends, and the daemon's next one is as much too old for the later one.
      await eventually(async () => (await ztunnels.restarts("node-2")) > restarts, {
        what: "the one before to have drained",
        deadlineMs: 60_000,
      });
      const tunnelled = flows.filter((_, seed) => seed % 2 === 1);
      await eventually(() => tunnelled.every((flow) => flow.problem !== null), {
        what: "what it carried to have ended",
      });
      noneWrong();
      await eventually(async () => /does not hand over/.test(await mesh.log("ztunnel-node-2")), {
        what: "the next one to be refused",
        deadlineMs: 60_000,
      });
      await traffic.successes(5);
      process.kill(later.pid!, "SIGTERM");
      expect(await ztunnels.ended(later)).toBe(0);
      await traffic.successes(5);
    },
  );
});
