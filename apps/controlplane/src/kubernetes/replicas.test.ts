import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { type ApiServer, requireApiServer, startApiServer } from "@lateen/test-cluster";
import { eventually } from "@lateen/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ADDRESS_TYPE, type TestClient, discoveryClient } from "../control-plane.test.support.ts";
import { planeEnv, podObject, prepareCluster, put, roots, rootsIn, ztunnel } from "./cluster.test.support.ts";

/** A control plane as a process of its own. */
class Replica {
  readonly child: ChildProcess;
  output = "";

  constructor(api: ApiServer, env: Readonly<Record<string, string>>, url = api.url) {
    const main = new URL("../main.ts", import.meta.url).pathname;
    this.child = spawn(process.execPath, ["--conditions=lateen:source", main], {
      env: { ...planeEnv(api.kubeconfig({ url }), env), PATH: process.env["PATH"] },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const out of [this.child.stdout, this.child.stderr])
      out?.setEncoding("utf8").on("data", (text: string) => (this.output += text));
  }

  says(what: string): Promise<unknown> {
    return eventually(() => this.output.includes(what), { deadlineMs: 25_000, what: `"${what}" in\n${this.output}` });
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const gone = once(this.child, "exit");
    this.child.kill(signal);
    return (await gone)[0] as number | null;
  }
}

describe.skipIf(requireApiServer())("replicas of a control plane", () => {
  let api: ApiServer;
  let replicas: Replica[] = [];

  beforeAll(async () => {
    api = await startApiServer();
    await prepareCluster(api);
  });
  afterEach(async () => {
    for (const replica of replicas) await replica.end("SIGKILL");
    replicas = [];
  });
  afterAll(() => api[Symbol.asyncDispose]());
  const start = (env: Readonly<Record<string, string>>, url?: string): Replica => {
    const replica = new Replica(api, env, url);
    replicas.push(replica);
    return replica;
  };

  test("one that is killed in the middle of a push is replaced by another, and nothing is missing or told anew", async () => {
    const ports = { first: "21231", second: "21232" };
    const host = api.address;
    const LEADER_LEASE = "3s";
    const first = start({ DISCOVERY_ADDRESS: `${host}:${ports.first}`, SERVER_NAMES: host, LEADER_LEASE });
    await first.says("leading");
    await first.says("started");
    const second = start({ DISCOVERY_ADDRESS: `${host}:${ports.second}`, SERVER_NAMES: host, LEADER_LEASE });
    await second.says("started");
    const rootPem = await roots(api);
    const { token } = await ztunnel(api);
    const connect = (port: string): TestClient => discoveryClient(Number(port), rootPem, { token }, host);
    const known = new Map<string, string>();
    {
      using client = connect(ports.first);
      client.subscribe(ADDRESS_TYPE);
      await client.next();
      const writes = Array.from({ length: 60 }, (_, i) => put(api, podObject(`p${i}`, { ip: `10.1.0.${i + 1}` })));
      await client.next(); // it has begun
      await first.end("SIGKILL");
      await Promise.all(writes);
      for (const [name, version] of client.versions.get(ADDRESS_TYPE)!) known.set(name, version);
    }
    using client = connect(ports.second);
    client.subscribe(ADDRESS_TYPE, known);
    const told = new Set<string>();
    const all = Array.from({ length: 60 }, (_, i) => `Kubernetes//Pod/shop/p${i}`);
    while (all.some((name) => !client.versions.get(ADDRESS_TYPE)!.has(name))) {
      const heard = await client.next();
      if (heard.t === "end") throw new Error(heard.status.details);
      for (const name of heard.names) told.add(name);
    }
    const current = client.versions.get(ADDRESS_TYPE)!;
    expect([...told].filter((name) => known.get(name) === current.get(name))).toEqual([]);
    // Nobody gave the lease back, so the other leads when it has run out.
    await put(api, { apiVersion: "v1", kind: "Namespace", metadata: { name: "orphan" } });
    await eventually(() => rootsIn(api, "orphan"), { deadlineMs: 20_000, what: "the other replica to lead" });
    expect(await second.end("SIGTERM")).toBe(0);
  }, 120_000);

  test("one that starts while the API server is away waits for it, says so, and can be stopped meanwhile", async () => {
    const proxy = await api.proxy();
    const away = await proxy.partition();
    const stopped = start({}, proxy.url);
    await stopped.says("the API server: failed");
    expect(await stopped.end("SIGTERM")).toBe(0);
    expect(stopped.output).toContain("stopped before it had started");
    const patient = start({}, proxy.url);
    await patient.says("the API server: failed");
    await away[Symbol.asyncDispose]();
    await patient.says("started");
    expect(await patient.end("SIGTERM")).toBe(0);
  }, 60_000);

  test("one whose kinds cannot be listed is not ready, and says what it waits for", async () => {
    const proxy = await api.proxy();
    proxy.intercept = ({ path }) => (path.endsWith("/pods") ? { status: 500 } : null);
    const at = `${api.address}:21233`;
    const replica = start({ READINESS_ADDRESS: at }, proxy.url);
    await replica.says("the API server: failed");
    const ready = (): Promise<Response> => fetch(`http://${at}/ready`);
    expect((await ready()).status).toBe(503);
    proxy.intercept = () => null;
    await eventually(async () => (await ready()).status === 200, { deadlineMs: 20_000 });
  }, 60_000);
});
