import { randomInt, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ThreadEnd, ThreadEnds, eventually, requireRoot } from "@lateen/testkit";
import { LinkWatch } from "./support/link-watch.ts";
import { LiveFlow } from "./support/live-flow.ts";
import { shuffled, seededRandom } from "./support/seeded-random.ts";
import { TestMesh } from "./support/test-mesh.ts";
import { Traffic, echo } from "./support/traffic.ts";

const PORT = 7_000;
/** Another run's moments: E2E_SEED=... */
const SEED = Number(process.env["E2E_SEED"] ?? randomInt(2 ** 31));
const MOST_REQUESTS_BETWEEN = 40;

describe.skipIf(requireRoot())(`parts that are killed at random moments (E2E_SEED=${SEED})`, () => {
  const random = seededRandom(SEED);
  const marker = `marker-${randomUUID()}`;
  let mesh: TestMesh;
  let link: LinkWatch;
  let traffic: Traffic;
  let forbidden: Traffic;
  let orders: string;
  let threads: ThreadEnds;
  let lastPort = PORT;

  beforeAll(async () => {
    orders = mkdtempSync(path.join(tmpdir(), "lateen-e2e-orders-"));
    threads = new ThreadEnds(orders);
    mesh = await TestMesh.up(["pair"], { ztunnelEnv: { NODE_OPTIONS: threads.nodeOptions } });
    const [client, intruder, server] = await Promise.all(["client", "intruder", "server"].map((n) => mesh.pod(n)));
    await server!.listen(PORT, echo);
    link = new LinkWatch(await mesh.nodeNetns("node-1"), { sees: "everything", markers: [marker] });
    const to = { ip: server!.ip, port: PORT };
    traffic = new Traffic({ from: client!, to, marker });
    forbidden = new Traffic({ from: intruder!, to, marker });
    await traffic.successes(20);
  });
  afterAll(async () => {
    await traffic[Symbol.asyncDispose]();
    await forbidden[Symbol.asyncDispose]();
    link[Symbol.dispose]();
    await mesh[Symbol.asyncDispose]();
    rmSync(orders, { recursive: true });
  });

  /** Kills parts one after another, each after a random number of requests. */
  async function killAll(names: readonly string[]): Promise<void> {
    for (const name of shuffled(names, random)) {
      await traffic.more(1 + Math.floor(random() * MOST_REQUESTS_BETWEEN));
      await mesh.kill(name);
      await traffic.successes(5);
    }
  }

  test("without control plane or agents traffic goes on as if nothing were", { timeout: 120_000 }, async () => {
    const failedBefore = traffic.failures.length;
    await killAll(["controlplane", "cni-node-1", "cni-node-2"]);
    expect(traffic.failures.slice(failedBefore)).toEqual([]);
  });

  test("a killed ztunnel is replaced, and requests succeed again", { timeout: 120_000 }, async () => {
    await killAll(["ztunnel-node-1", "ztunnel-node-2"]);
  });

  // The first has the connections, the other one nothing; what neither closes the kernel must.
  test.each<[ThreadEnd, number]>([
    ["exit", 1],
    ["throw", 1],
    ["throw", 2],
  ])(
    "a ztunnel ends, and is replaced, when one of its data threads ends: %s, thread %i",
    { timeout: 120_000 },
    async (how, worker) => {
      const [client, server] = await Promise.all([mesh.pod("client"), mesh.pod("server")]);
      const accepted = new Set<Socket>();
      const to = { ip: server.ip, port: ++lastPort };
      await server.listen(to.port, (socket) => {
        accepted.add(socket);
        socket.on("close", () => accepted.delete(socket));
        echo(socket);
      });
      const flows: LiveFlow[] = [];
      for (let seed = 0; seed < 4; seed++) {
        const flow = await LiveFlow.open(client, to, { seed, kind: "idle" });
        flows.push(flow);
        flow.send(1_000);
        await eventually(() => flow.received === 1_000, { what: "its answer" });
      }
      await mesh.end("ztunnel-node-1", ({ pid }) => threads.order(pid, worker, how));
      await eventually(() => flows.every(({ problem }) => problem !== null), { what: "the client to hear of it" });
      await eventually(() => accepted.size === 0, { what: "the server to hear of it" });
      const part = (await mesh.parts()).find(({ name }) => name === "ztunnel-node-1");
      expect(part?.lastEnd).toBe("exited with code 1");
      await traffic.successes(5);
    },
  );

  test("all at once come back too", { timeout: 120_000 }, async () => {
    await traffic.more(1 + Math.floor(random() * MOST_REQUESTS_BETWEEN));
    const names = (await mesh.parts()).map((p) => p.name);
    await Promise.all(shuffled(names, random).map((name) => mesh.kill(name)));
    await traffic.successes(20);
    expect(traffic.failures, "a connection whose proxy died must end, not hang").not.toContain("no answer in time");
  });

  test("what is forbidden was forbidden throughout", async () => {
    await forbidden.more(5);
    expect(forbidden).toMatchObject({ succeeded: 0, bytes: 0, corrupted: [] });
  });

  test("no answer was wrong, and no packet between the nodes was plaintext", () => {
    expect(traffic.corrupted).toEqual([]);
    const report = link.report();
    expect(report).toMatchObject({ violations: [], lost: 0 });
    expect(report.hbone).toBeGreaterThan(traffic.succeeded);
    expect(report.tlsRecords).toBeGreaterThan(traffic.succeeded);
  });

  test("which the capture would have shown: it shows that of pods outside the mesh", async () => {
    const said = `plain-${randomUUID()}`;
    const netns = await mesh.nodeNetns("node-1");
    using seeing = new LinkWatch(netns, { sees: "everything", markers: [said] });
    using blind = new LinkWatch(netns, { sees: "violations" });
    const [stranger, bystander] = await Promise.all([mesh.pod("stranger"), mesh.pod("bystander")]);
    await bystander.listen(PORT, echo);
    await using plain = new Traffic({ from: stranger, to: { ip: bystander.ip, port: PORT }, marker: said });
    await plain.successes(1);
    const segment = new RegExp(`^${stranger.ip} port \\d+ > ${bystander.ip} port ${PORT}, [1-9]`);
    expect(seeing.report().violations).toContainEqual(expect.stringContaining("a marker is in"));
    expect(seeing.report().violations).toContainEqual(expect.stringMatching(segment));
    expect(blind.report().violations).toContainEqual(expect.stringMatching(segment));
    expect(blind.report().hbone).toBe(0);
  });
});
