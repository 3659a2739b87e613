import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import {
  type Netns,
  createNetns,
  netnsId,
  openNetns,
  openNftables,
  openPodRedirection,
  openRtnetlink,
} from "@lateen/linux";
import { type SeqpacketSocket, connectSeqpacket, socketFactory } from "@lateen/linux";
import { inPodPlan } from "@lateen/redirection";
import { createLogging } from "@lateen/telemetry";
import { eventually, requireRoot } from "@lateen/testkit";
import { type WorkloadRequest, decodeWorkloadRequest, encodeHello, encodeWorkloadResponse } from "@lateen/zds";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "./agent.ts";
import { type Config, parseConfig } from "./config.ts";
import type { IdentityProbe } from "./identity-probe.ts";
import type { PodStatus } from "./pod-plan.ts";
import { startAgent } from "./wire.ts";

/** A proxy that speaks the real wire, and really listens in the pods it is given. */
class FakeZtunnel implements AsyncDisposable {
  readonly seen: string[] = [];
  readonly #socket: SeqpacketSocket;
  readonly #stop = new AbortController();
  readonly #pods = new Map<string, { netnsId: string; fds: number[] }>();
  readonly #done: Promise<void>;
  /** Answer to each add; null does not answer at all. */
  onAdd: (uid: string) => string | null = () => "";

  constructor(at: string) {
    this.#socket = connectSeqpacket(at);
    this.#done = this.#run().catch((e: unknown) => {
      if (!this.#stop.signal.aborted) this.seen.push(`broken: ${String(e)}`);
    });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    await this.#socket.send(encodeHello({ version: 1 }), [], signal);
    for (;;) {
      const got = await this.#socket.receive(1024, signal);
      if (got.t !== "message") return void this.seen.push(got.t);
      const request = decodeWorkloadRequest(got.bytes);
      if (!request.ok) throw request.error;
      const error = this.#take(request.value, got.fds);
      got.fds.forEach((fd) => fs.closeSync(fd));
      if (error !== null) await this.#socket.send(encodeWorkloadResponse({ t: "ack", error }), [], signal);
    }
  }

  #take(request: WorkloadRequest, fds: readonly number[]): string | null {
    const uid = request.t === "snapshotSent" ? "" : ` ${request.uid}`;
    this.seen.push(`${request.t}${uid}${fds.length > 0 ? ` +${fds.length}` : ""}`);
    if (request.t === "del") this.#drop(request.uid);
    if (request.t !== "add") return "";
    const answer = this.onAdd(request.uid);
    if (answer !== "") return answer;
    const id = netnsId(fds[0]!);
    if (this.#pods.get(request.uid)?.netnsId === id) return "";
    this.#drop(request.uid);
    const listen = (port: number): number =>
      socketFactory.listener({
        netns: fds[0]!,
        mark: 0x539,
        keepAlive: null,
        address: { ip: "::", port },
        dualStack: true,
        reusePort: true,
        transparent: "required",
        backlog: 128,
      }).fd;
    this.#pods.set(request.uid, { netnsId: id, fds: [15_001, 15_006, 15_008].map(listen) });
    return "";
  }

  #drop(uid: string): void {
    this.#pods.get(uid)?.fds.forEach((fd) => fs.closeSync(fd));
    this.#pods.delete(uid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
    this.#socket[Symbol.dispose]();
    for (const uid of [...this.#pods.keys()]) this.#drop(uid);
  }
}

function makePod(): Netns {
  const netns = createNetns();
  using route = openRtnetlink(netns.fd);
  route.setLink("lo", { up: true });
  return netns;
}

interface ApiAnswer {
  readonly status: number;
  readonly body: { pods?: PodStatus[]; ztunnels?: number; error?: string } & Partial<PodStatus>;
}
async function call(socketPath: string, method: string, url: string, body?: unknown): Promise<ApiAnswer> {
  const request = http.request({ socketPath, method, path: url, agent: false });
  request.end(typeof body === "string" ? body : body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  const text = (await response.setEncoding("utf8").toArray()).join("");
  return { status: response.statusCode!, body: JSON.parse(text) as ApiAnswer["body"] };
}

describe.skipIf(requireRoot())("the agent", () => {
  let folder: string;
  let config: Config;
  let stack: AsyncDisposableStack;
  const pods = new Map<string, Netns>();
  const lines: string[] = [];

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "cni-"));
    const parsed = parseConfig({ CNI_AGENT_RUN_DIR: folder, ZTUNNEL_UDS_ADDRESS: path.join(folder, "z.sock") });
    if (!parsed.ok) throw parsed.error;
    config = parsed.value;
    stack = new AsyncDisposableStack();
    lines.length = 0;
  });
  afterEach(async () => {
    await stack.disposeAsync();
    for (const netns of pods.values()) netns[Symbol.dispose]();
    pods.clear();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const logging = createLogging({ write: (line) => void lines.push(line), nowMicros: () => 0 });
  const identityThere: IdentityProbe = () => Promise.resolve(null);
  async function start(identity: IdentityProbe = identityThere): Promise<{ agent: Agent } & AsyncDisposable> {
    return stack.use(
      await startAgent(config, {
        logging,
        closeFd: (fd) => fs.closeSync(fd),
        nowMs: () => performance.now(),
        random: () => 0.5,
        identity,
      }),
    );
  }
  const ztunnel = (): FakeZtunnel => stack.use(new FakeZtunnel(config.ztunnelSocket));
  const podOf = (uid: string): Netns => {
    if (!pods.has(uid)) pods.set(uid, makePod());
    return pods.get(uid)!;
  };
  const entry = (uid: string, more: object = {}): object => ({
    uid,
    name: uid,
    namespace: "test",
    serviceAccount: "default",
    ips: ["10.0.0.1"],
    netns: `/proc/${process.pid}/fd/${podOf(uid).fd}`,
    ...more,
  });
  const put = (...entries: object[]): Promise<ApiAnswer> =>
    call(config.agentSocket, "PUT", "/v1/pods", { pods: entries });
  const enrolled = (uid: string): Promise<ApiAnswer> =>
    call(config.agentSocket, "GET", `/v1/pods/${uid}?wait=enrolled&timeoutMs=5000`);
  const drift = (uid: string): readonly string[] => {
    using redirection = openPodRedirection(podOf(uid).fd);
    return redirection.drift(inPodPlan(config.redirection));
  };
  const tables = (uid: string): number => {
    using nft = openNftables(podOf(uid).fd);
    return nft.read(() => true).tables.length;
  };

  test("enrols a pod: rules in the kernel, proxy told with the namespace, all three conditions", async () => {
    await start();
    const proxy = ztunnel();
    expect((await put(entry("a"))).body).toMatchObject({ wanted: 1 });
    expect(await enrolled("a")).toEqual({
      status: 200,
      body: {
        uid: "a",
        name: "a",
        namespace: "test",
        state: "enrolled",
        reason: "",
        conditions: { rulesVerified: true, listenersAnswer: true, identityIssued: true },
      },
    });
    expect(drift("a")).toEqual([]);
    // The proxy may have connected before or after the rules were there.
    expect(proxy.seen.filter((s) => s.startsWith("add"))).toEqual(["add a +1"]);
    expect((await call(config.agentSocket, "GET", "/v1/pods")).body).toMatchObject({ ztunnels: 1 });
  });

  test("un-enrols: rules away, proxy told, nothing left to list", async () => {
    await start();
    const proxy = ztunnel();
    await put(entry("a"), entry("b"));
    await Promise.all([enrolled("a"), enrolled("b")]);
    await put(entry("b"));
    expect((await call(config.agentSocket, "GET", "/v1/pods/a?wait=removed")).status).toBe(404);
    expect([tables("a"), drift("b")]).toEqual([0, []]);
    expect(proxy.seen.at(-1)).toBe("del a");
    using route = openRtnetlink(podOf("a").fd);
    expect(route.rules("ipv4").some((r) => r.mark === 0x111)).toBe(false);
  });

  test("without a proxy a pod is captured and waits; it is enrolled as soon as one connects", async () => {
    await start();
    await put(entry("a"));
    await eventually(() => drift("a").length === 0, { what: "rules" });
    const waiting = await call(config.agentSocket, "GET", "/v1/pods/a?wait=enrolled&timeoutMs=1");
    expect(waiting).toMatchObject({ status: 504, body: { state: "pending", reason: "no ztunnel connection" } });
    const proxy = ztunnel();
    expect((await enrolled("a")).status).toBe(200);
    // The pod is enrolled by the answer to its add; the end of the snapshot comes after it.
    await eventually(() => proxy.seen.length > 1, { what: "the snapshot" });
    expect(proxy.seen).toEqual(["add a +1", "snapshotSent"]);
  });

  test("a proxy that dies leaves pods enrolled and captured; its successor gets them as a snapshot", async () => {
    const { agent } = await start();
    const first = ztunnel();
    await put(entry("a"));
    await enrolled("a");
    await first[Symbol.asyncDispose]();
    await eventually(() => agent.ztunnels === 0);
    expect(agent.status("a")).toMatchObject({ state: "enrolled", conditions: { listenersAnswer: false } });
    expect(drift("a")).toEqual([]);
    const second = ztunnel();
    await eventually(() => agent.status("a")?.conditions.listenersAnswer, { what: "the successor" });
    await eventually(() => second.seen.length > 1, { what: "the snapshot" });
    expect(second.seen).toEqual(["add a +1", "snapshotSent"]);
  });

  test("two proxies: adds go to the newest, deletions to both, and the older takes over again", async () => {
    const { agent } = await start();
    const older = ztunnel();
    await put(entry("a"));
    await enrolled("a");
    const before = older.seen.length;
    const newer = ztunnel();
    await eventually(() => newer.seen.includes("snapshotSent"), { what: "the snapshot" });
    await put(entry("a"), entry("b"));
    await enrolled("b");
    await put(entry("b"));
    await agent.waitFor("a", (s) => s === null, AbortSignal.timeout(5_000));
    expect([older.seen.slice(before), newer.seen]).toEqual([
      ["del a"],
      ["add a +1", "snapshotSent", "add b +1", "del a"],
    ]);
    await newer[Symbol.asyncDispose]();
    await eventually(() => older.seen.at(-1) === "add b +1", { what: "the older proxy" });
  });

  test("a proxy that refuses a pod is asked again, and the pod says why it waits", async () => {
    const { agent } = await start();
    const proxy = ztunnel();
    let refusals = 2;
    proxy.onAdd = () => (refusals-- > 0 ? "port 15008 is in use" : "");
    const waiting = agent.waitFor("a", (s) => s?.reason.includes("15008") === true, AbortSignal.timeout(5_000));
    await put(entry("a"));
    expect(await waiting).toMatchObject({ state: "pending", reason: "ztunnel: port 15008 is in use" });
    expect((await enrolled("a")).status).toBe(200);
  });

  test("a pod without a certificate is not enrolled until it has one", async () => {
    let issued = false;
    const { agent } = await start(() => Promise.resolve(issued ? null : "no certificate"));
    ztunnel();
    await put(entry("a"));
    const waits = (s: PodStatus | null): boolean =>
      s?.conditions.listenersAnswer === true && s.reason === "no certificate";
    expect(await agent.waitFor("a", waits, AbortSignal.timeout(5_000))).toMatchObject({
      state: "pending",
      conditions: { rulesVerified: true, listenersAnswer: true, identityIssued: false },
    });
    issued = true;
    expect((await enrolled("a")).status).toBe(200);
  });

  test("rules that somebody changes are repaired", async () => {
    const { agent } = await start();
    ztunnel();
    await put(entry("a"));
    await enrolled("a");
    using nft = openNftables(podOf("a").fd);
    nft.remove(nft.read(() => true).tables.map((t) => t.name));
    expect(drift("a")).not.toEqual([]);
    await eventually(() => drift("a").length === 0, { deadlineMs: 15_000, what: "the repair" });
    expect(agent.status("a")?.state).toBe("enrolled");
    expect(lines.some((l) => l.includes("repairing pod"))).toBe(true);
  }, 20_000);

  test("a new sandbox under the same uid is captured and handed over", async () => {
    await start();
    const proxy = ztunnel();
    await put(entry("a"));
    await enrolled("a");
    const old = podOf("a");
    pods.set("a", makePod());
    pods.set("old", old);
    await put(entry("a"));
    expect((await enrolled("a")).status).toBe(200);
    expect(drift("a")).toEqual([]);
    expect(proxy.seen.filter((s) => s === "add a +1")).toHaveLength(2);
  });

  test("namespaces that must not be captured are refused: none, the node's, another pod's", async () => {
    const { agent } = await start();
    ztunnel();
    await put(
      entry("a"),
      entry("none", { netns: "/proc/1/fd/99999" }),
      entry("node", { netns: "/proc/self/ns/net" }),
      entry("twin", { netns: `/proc/${process.pid}/fd/${podOf("a").fd}` }),
    );
    await enrolled("a");
    const reason = (uid: string) => agent.waitFor(uid, (s) => s?.state === "failed", AbortSignal.timeout(5_000));
    expect((await reason("none"))?.reason).toContain("open failed with ENOENT");
    expect((await reason("node"))?.reason).toContain("belongs to the node");
    expect((await reason("twin"))?.reason).toContain("belongs to pod test/a");
    using own = openNetns("/proc/self/ns/net");
    using nft = openNftables(own.fd);
    expect(nft.read((name) => name.startsWith("istio")).tables).toEqual([]);
  });

  test("annotations change the rules, also later", async () => {
    await start();
    ztunnel();
    await put(entry("a"));
    await enrolled("a");
    await put(entry("a", { annotations: { "ambient.istio.io/bypass-inbound-capture": "true" } }));
    using redirection = openPodRedirection(podOf("a").fd);
    const bypass = inPodPlan({ ...config.redirection, inbound: "bypass" });
    await eventually(() => redirection.drift(bypass).length === 0, { what: "the other rules" });
  });

  test("an agent that comes back keeps what is wanted and cleans up what is not", async () => {
    const first = await start();
    const proxy = ztunnel();
    await put(entry("a"), entry("b"));
    await Promise.all([enrolled("a"), enrolled("b")]);
    await first[Symbol.asyncDispose]();
    expect([drift("a"), drift("b")]).toEqual([[], []]); // stopping leaves the rules
    await eventually(() => proxy.seen.at(-1) === "end");
    await start();
    const again = ztunnel();
    expect(again.seen).toEqual([]); // no snapshot before the desired set is known
    await put(entry("a"));
    await enrolled("a");
    await eventually(() => tables("b") === 0, { what: "the clean-up" });
    expect(again.seen.filter((s) => !s.startsWith("keep"))).toContain("add a +1");
    expect(again.seen).not.toContain("add b +1");
  });

  test("a bad request is answered with every fault, and changes nothing", async () => {
    const { agent } = await start();
    ztunnel();
    await put(entry("a"));
    await enrolled("a");
    expect(await put(entry("a", { netns: "x" }), entry("a"))).toMatchObject({
      status: 400,
      body: {
        code: "BAD_INPUT",
        error: "Cannot parse pods: pods[0].netns: is not an absolute path; pods[1].uid: occurs twice",
      },
    });
    for (const [method, url, status] of [
      ["GET", "/v1/pods/none", 404],
      ["GET", "/v1/pods/a?wait=forever", 400],
      ["GET", "/v1/pods/a?wait=enrolled&timeoutMs=-1", 400],
      ["POST", "/v1/pods", 404],
      ["GET", "/etc/passwd", 404],
    ] as const)
      expect((await call(config.agentSocket, method, url)).status).toBe(status);
    expect(agent.list().map((p) => p.uid)).toEqual(["a"]);
  });

  test("peers that do not speak ZDS are dropped, others are served", async () => {
    const { agent } = await start();
    await put(entry("a"));
    const mute = stack.use(connectSeqpacket(config.ztunnelSocket));
    const noise = stack.use(connectSeqpacket(config.ztunnelSocket));
    await noise.send(Uint8Array.of(0xff, 0xff), [], AbortSignal.timeout(5_000));
    expect(await noise.receive(1024, AbortSignal.timeout(5_000))).toEqual({ t: "end" });
    ztunnel();
    expect((await enrolled("a")).status).toBe(200);
    expect(agent.ztunnels).toBe(1); // one that says nothing counts for nothing
    mute[Symbol.dispose]();
  });

  test("a proxy that does not answer is dropped at its deadline, and the pod goes to the next", async () => {
    const { agent } = await start();
    const silent = ztunnel();
    silent.onAdd = () => null;
    await put(entry("a"));
    await eventually(() => silent.seen.includes("add a +1"));
    expect(await agent.waitFor("a", (s) => s?.state === "enrolled", AbortSignal.timeout(100))).toMatchObject({
      state: "pending",
    });
    await eventually(() => agent.ztunnels === 0, { deadlineMs: 8_000, what: "the drop" });
    ztunnel();
    expect((await enrolled("a")).status).toBe(200);
  }, 20_000);

  test("the program: killed at any moment, its successor finds everything and a SIGTERM leaves the rules", async () => {
    const main = fileURLToPath(new URL("./main.ts", import.meta.url));
    const admin = http
      .createServer((_, response) => response.end('{"state":"Up","identity":"Available"}'))
      .listen(0, "127.0.0.1");
    await once(admin, "listening");
    const { port } = admin.address() as { port: number };
    const run = async (): Promise<ChildProcess> => {
      const child = spawn(process.execPath, ["--conditions=lateen:source", main], {
        env: {
          PATH: "/nonexistent",
          CNI_AGENT_RUN_DIR: folder,
          ZTUNNEL_UDS_ADDRESS: config.ztunnelSocket,
          ZTUNNEL_ADMIN_ADDRESS: `http://127.0.0.1:${port}`,
        },
        stdio: ["ignore", "pipe", "inherit"],
      });
      for await (const line of child.stdout!.setEncoding("utf8")) if (String(line).includes("agent started")) break;
      return child;
    };
    const first = await run();
    const one = ztunnel();
    await put(entry("a"));
    expect((await enrolled("a")).status).toBe(200);
    first.kill("SIGKILL");
    await once(first, "exit");
    await eventually(() => one.seen.at(-1) === "end");
    expect(drift("a")).toEqual([]);
    const second = await run();
    const two = ztunnel();
    await put(entry("a"));
    expect((await enrolled("a")).status).toBe(200);
    expect(two.seen).not.toContain("del a");
    second.kill("SIGTERM");
    expect(await once(second, "exit")).toEqual([0, null]);
    expect(drift("a")).toEqual([]);
    admin.close();
  }, 30_000);
});
