import path from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectSeqpacket } from "@lateen/linux";
import { eventually, requireRoot } from "@lateen/testkit";
import { LiveFlow } from "./support/live-flow.ts";
import { NodeZtunnels } from "./support/node-ztunnels.ts";
import { TestMesh } from "./support/test-mesh.ts";
import { Traffic, echo } from "./support/traffic.ts";

const PORT = 7_000;
const DENY = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: nobody, namespace: pair }
spec:
  selector: { matchLabels: { app: server } }
  action: DENY
  rules: [{ from: [{ source: { namespaces: [pair] } }] }]
`;

describe.skipIf(requireRoot())("ztunnel replaced in place", () => {
  let mesh: TestMesh;
  let traffic: Traffic;
  const flows: LiveFlow[] = [];
  let ztunnels: NodeZtunnels;

  beforeAll(async () => {
    mesh = await TestMesh.up(["pair"]);
    ztunnels = new NodeZtunnels(mesh);
    const [client, server, bystander] = await Promise.all(["client", "server", "bystander"].map((n) => mesh.pod(n)));
    await server!.listen(PORT, echo);
    await bystander!.listen(PORT, echo);
    traffic = new Traffic({ from: client!, to: { ip: server!.ip, port: PORT }, marker: "new" });
    await traffic.successes(3);
    // HBONE through both proxies, and plaintext out of the mesh through one.
    for (let seed = 0; seed < 12; seed++) {
      const to = { ip: (seed % 3 === 2 ? bystander! : server!).ip, port: PORT };
      flows.push(await LiveFlow.open(client!, to, { seed, kind: seed % 2 === 0 ? "busy" : "idle" }));
    }
  });
  afterAll(async () => {
    for (const flow of flows) flow.close();
    await traffic[Symbol.asyncDispose]();
    ztunnels[Symbol.dispose]();
    await mesh[Symbol.asyncDispose]();
  });

  const problems = (): readonly string[] => flows.flatMap((flow) => flow.problem ?? []);
  const progress = async (): Promise<void> => {
    const before = flows.map((flow) => flow.received);
    const moves = (): boolean => flows.every((flow, i) => i % 2 === 1 || flow.received > before[i]!);
    await eventually(() => problems().length > 0 || moves(), { what: "every busy connection to carry bytes" });
    expect(problems()).toEqual([]);
  };

  test("keeps every connection, and no new one fails", { timeout: 120_000 }, async () => {
    for (const node of ["node-1", "node-2", "node-1", "node-2"]) {
      const failed = traffic.failures.length;
      const upgraded = await mesh.client.upgradeZtunnel(node);
      expect(upgraded.handedOver).toMatchObject({ outcome: "done", left: 0, declined: 0 });
      expect(upgraded.handedOver!.connections).toBeGreaterThanOrEqual(node === "node-1" ? 12 : 8);
      await progress();
      await traffic.successes(3);
      expect(traffic.failures.slice(failed)).toEqual([]);
    }
    const { restarts } = (await mesh.parts()).find((p) => p.name === "ztunnel-node-1")!;
    expect(restarts).toBe(0); // none has crashed
  });

  test("says what it did on the command line", { timeout: 60_000 }, async () => {
    const said = await mesh.local("upgrade", "ztunnel", "--node", "node-1");
    expect(said).toMatchObject({ code: 0, stderr: "" });
    expect(said.stdout).toMatch(
      /^node-1: ztunnel replaced in [\d.]+ s: \d+ connections and \d+ tunnels? moved; stalled p50 [\d.]+ ms, p99 [\d.]+ ms, max [\d.]+ ms\n$/,
    );
    await progress();
  });

  test("by the next version, and back by this one, in the format that both know", { timeout: 120_000 }, async () => {
    const before = await ztunnels.restarts("node-2");
    const newer = await ztunnels.next("node-2", { NEXT_BY: "1" });
    await ztunnels.says(newer, /took over.*outcome="done"/);
    await progress();
    // The daemon starts its own again when that has ended, and it takes over in turn.
    await eventually(async () => newer.exitCode !== null && (await ztunnels.restarts("node-2")) > before, {
      what: "the daemon's own ztunnel to take over again",
      deadlineMs: 60_000,
    });
    expect(newer.exitCode).toBe(0);
    await progress();
  });

  test("a stranger at the hand-over socket gets nothing", async () => {
    const socket = path.join(mesh.home.folders.run, "node-1", "handover.sock");
    using stranger = connectSeqpacket(socket);
    await stranger.send(new TextEncoder().encode("give me your sockets"), [], AbortSignal.timeout(5_000));
    expect(await stranger.receive(1024, AbortSignal.timeout(5_000))).toEqual({ t: "end" });
    await progress();
  });

  test("a successor that is killed changes nothing", { timeout: 60_000 }, async () => {
    const before = ztunnels.of("node-1");
    const upgrade = mesh.client.upgradeZtunnel("node-1").then(
      () => "replaced",
      (e: unknown) => String(e),
    );
    const [successor] = await eventually(
      () => {
        const fresh = ztunnels.of("node-1").filter((pid) => !before.includes(pid));
        return fresh.length > 0 ? fresh : null;
      },
      { what: "the successor to start" },
    );
    process.kill(successor!, "SIGKILL");
    expect(await upgrade).toContain("the old one goes on");
    await progress();
    await traffic.successes(3);
  });

  test("policy binds connections that moved", { timeout: 60_000 }, async () => {
    for (const flow of flows) expect(await flow.answered()).toBeNull();
    const through = flows.filter((_, seed) => seed % 3 !== 2);
    await mesh.client.apply(DENY);
    await eventually(() => through.every((flow) => flow.problem !== null), { what: "what is denied to be cut" });
    expect(flows.filter((flow) => !through.includes(flow)).map((flow) => flow.problem)).toEqual([
      null,
      null,
      null,
      null,
    ]);
    const complete = /connection complete.*error="connection closed due to policy change"/;
    await eventually(async () => complete.test(await mesh.log("ztunnel-node-2")), { what: "their lines in the log" });
  });
});
