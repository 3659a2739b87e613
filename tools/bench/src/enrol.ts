import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generateTokenKey, signLocalToken } from "@lateen/ca";
import { Code, MeshError } from "@lateen/errors";
import { createNetns, openRtnetlink, spawnIn } from "@lateen/linux";
import { sleep } from "@lateen/lifecycle";
import { appProgram } from "@lateen/local-mesh";
import { type Machine, describeMachine, machineTime } from "./process-cost.ts";
import { formatSpread, percentile, type Spread, spread } from "./spread.ts";

const PODS = 200;
const NODE = "node-1";
const READY_TIMEOUT_MS = 20_000;

export interface EnrolReport {
  readonly machine: Machine;
  readonly pods: number;
  /** From the request to the agent until it says verified. */
  readonly ms: Spread;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  /** Child processes that agent and proxy were seen to have, looked up after each pod. */
  readonly childrenSeen: number;
}

interface PodEntry {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly ips: readonly string[];
  readonly netns: string;
  readonly annotations: Readonly<Record<string, string>>;
}

const podObject = (p: Pick<PodEntry, "uid" | "name" | "namespace" | "serviceAccount" | "ips">): object => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: p.name, namespace: p.namespace, uid: p.uid },
  spec: { nodeName: NODE, serviceAccountName: p.serviceAccount, containers: [{ name: "c" }] },
  status: { phase: "Running", podIP: p.ips[0], conditions: [{ type: "Ready", status: "True" }] },
});

/** One node without a mesh around it: control plane, agent and proxy in a namespace of their own. */
class BenchNode implements Disposable {
  readonly #home: string;
  readonly #children: ChildProcess[] = [];
  readonly #stack = new DisposableStack();
  readonly agentSocket: string;
  readonly #netns: number;

  constructor(home: string) {
    this.#home = home;
    this.agentSocket = join(home, "agent.sock");
    const netns = this.#stack.use(createNetns());
    this.#netns = netns.fd;
    using links = openRtnetlink(netns.fd);
    links.setLink("lo", { up: true });
  }

  /** Starts the three programs in order. */
  async start(pods: readonly PodEntry[]): Promise<void> {
    const at = (name: string): string => join(this.#home, name);
    const config = at("config");
    mkdirSync(config);
    const ztunnel = {
      uid: "ztunnel-uid",
      name: "ztunnel",
      namespace: "istio-system",
      serviceAccount: "ztunnel",
      ips: ["10.0.0.1"],
    };
    const items = [...pods, ztunnel].map(podObject);
    writeFileSync(join(config, "pods.json"), JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    const key = generateTokenKey();
    writeFileSync(at("key.pub.pem"), key.publicKeyPem);
    const subject = {
      namespace: "istio-system",
      serviceAccount: "ztunnel",
      pod: { name: "ztunnel", uid: "ztunnel-uid" },
      node: NODE,
    };
    const signing = {
      privateKeyPem: key.privateKeyPem,
      issuer: "bench",
      audiences: ["istio-ca"],
      nowMs: Date.now(),
      ttlSec: 3_600,
    };
    writeFileSync(at("token"), signLocalToken(subject, signing));
    this.#program("controlplane", { CONFIG_DIRS: config, STATE_DIR: at("state"), TOKEN_KEY_FILE: at("key.pub.pem") });
    await until("the control plane's root", () => exists(at("state/root-cert.pem")));
    const zds = at("ztunnel.sock");
    this.#program("cni", {
      NODE_NAME: NODE,
      AGENT_SOCKET: this.agentSocket,
      ZTUNNEL_UDS_ADDRESS: zds,
      CNI_AGENT_RUN_DIR: this.#home,
    });
    await until("the agent", () => this.put([]).then(() => true, () => false)); // prettier-ignore
    const address = "https://localhost:15012";
    const root = at("state/root-cert.pem");
    this.#program("ztunnel", {
      XDS_ADDRESS: address,
      CA_ADDRESS: address,
      XDS_ROOT_CA: root,
      CA_ROOT_CA: root,
      AUTH_TOKEN: at("token"),
      INPOD_UDS: zds,
      NODE_NAME: NODE,
    });
    await until("ztunnel at the agent", async () => {
      const { ztunnels } = JSON.parse(await this.#call("GET", "/v1/pods")) as { ztunnels: number };
      return ztunnels > 0;
    });
  }

  put(pods: readonly PodEntry[]): Promise<string> {
    return this.#call("PUT", "/v1/pods", JSON.stringify({ pods }));
  }

  async enrolled(uid: string): Promise<void> {
    const { state, reason } = JSON.parse(await this.#call("GET", `/v1/pods/${uid}?wait=enrolled&timeoutMs=10000`)) as {
      state: string;
      reason: string | null;
    };
    if (state !== "enrolled")
      throw new MeshError(Code.Unavailable, `Cannot enrol pod ${uid}: it is ${state}: ${reason ?? "no reason"}`);
  }

  /** Child processes of agent and proxy at this moment. */
  children(): number {
    return this.#children.slice(1).reduce((sum, { pid }) => sum + childrenOf(pid ?? 0), 0);
  }

  [Symbol.dispose](): void {
    for (const child of this.#children.reverse()) child.kill("SIGKILL");
    this.#stack.dispose();
  }

  #program(app: string, env: Readonly<Record<string, string>>): void {
    const entry = fileURLToPath(new URL(`../../../apps/${app}/src/main.ts`, import.meta.url));
    const run = appProgram(entry);
    const child = spawnIn({ netns: this.#netns }, run.program, run.args, {
      env: { PATH: "", ...run.env, RUST_LOG: "warn", LOG_LEVEL: "warn", ...env },
      stdio: ["ignore", "ignore", "inherit"],
    });
    this.#children.push(child);
  }

  #call(method: string, path: string, body?: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: this.agentSocket, method, path, agent: false }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () => resolve(text));
      });
      sent.on("error", reject);
      sent.end(body);
    });
  }
}

function childrenOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((task) => readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim())
    .filter((text) => text !== "").length;
}

function exists(file: string): boolean {
  try {
    return readFileSync(file).length > 0;
  } catch {
    return false; // not written yet
  }
}

async function until(what: string, look: () => boolean | Promise<boolean>): Promise<void> {
  for (const endMs = performance.now() + READY_TIMEOUT_MS; !(await look()); await sleep(20))
    if (performance.now() > endMs)
      throw new MeshError(Code.Timeout, `Cannot see ${what} within ${READY_TIMEOUT_MS / 1_000} s`);
}

/** Captures pods of one node one after another, with agent, proxy and control plane as they are. Needs root. */
export async function benchEnrol(): Promise<EnrolReport> {
  if (process.getuid?.() !== 0)
    throw new MeshError(Code.Denied, "Cannot bench enrolment: it makes network namespaces, run it as root");
  const home = mkdtempSync(join(tmpdir(), "lateen-enrol-"));
  const before = machineTime();
  try {
    using stack = new DisposableStack();
    const pods = Array.from({ length: PODS }, (_, i): PodEntry => {
      const netns = stack.use(createNetns());
      using links = openRtnetlink(netns.fd);
      links.setLink("lo", { up: true });
      const names = { uid: `pod-${i}`, name: `pod-${i}`, namespace: "bench", serviceAccount: `account-${i}` };
      const ips = [`10.1.${i >> 8}.${i & 0xff}`];
      return { ...names, ips, netns: `/proc/${process.pid}/fd/${netns.fd}`, annotations: {} };
    });
    using node = new BenchNode(home);
    await node.start(pods);
    const tookMs: number[] = [];
    let childrenSeen = 0;
    for (const [i, { uid }] of pods.entries()) {
      const startMs = performance.now();
      await node.put(pods.slice(0, i + 1));
      await node.enrolled(uid);
      tookMs.push(performance.now() - startMs);
      childrenSeen += node.children();
    }
    const after = machineTime();
    const steal = (after.stealSec - before.stealSec) / (after.totalSec - before.totalSec);
    const at = (share: number): number => percentile(tookMs, share);
    return {
      machine: describeMachine(steal),
      pods: PODS,
      ms: spread(tookMs),
      p50Ms: at(0.5),
      p90Ms: at(0.9),
      p99Ms: at(0.99),
      childrenSeen,
    };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

export function missedEnrolment(report: EnrolReport): readonly string[] {
  const missed: string[] = [];
  if (!(report.p99Ms <= 25)) missed.push(`p99Ms: ${report.p99Ms.toFixed(1)} ms, at most 25 ms is asked for`);
  if (report.childrenSeen > 0) missed.push(`childrenSeen: ${report.childrenSeen}, no process may be executed`);
  return missed;
}

export function renderEnrol(r: EnrolReport): string {
  return [
    `${r.pods} pods, one after another, from request to verified (identity issued, rules read back, listeners answering):`,
    `  p50 ${r.p50Ms.toFixed(1)} ms   p90 ${r.p90Ms.toFixed(1)} ms   p99 ${r.p99Ms.toFixed(1)} ms   median (min–max) ${formatSpread(r.ms)}`,
    `  child processes of agent and proxy seen: ${r.childrenSeen}`,
    `${r.machine.cpu}, ${r.machine.cores} cores; neighbours took ${(100 * r.machine.steal).toFixed(1)} % of the time`,
    "",
  ].join("\n");
}
