import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Code, MeshError } from "@lateen/errors";
import { apiResourceOf, objectPath } from "@lateen/kube";
import { appProgram } from "@lateen/local-mesh";
import { apiKinds } from "@lateen/resources";
import {
  type ApiServer,
  apiServerProblem,
  defineKinds,
  serviceAccountToken,
  startApiServer,
} from "@lateen/test-cluster";
import { processCost } from "./process-cost.ts";
import { type Clients, Peer, heardBy } from "./push.ts";
import { changeMark, machineMs } from "./push-messages.ts";
import { type ClusterSize, podOf, simulatedCluster, simulatedPod } from "./simulated-cluster.ts";
import { percentile } from "./spread.ts";

const SIZE: ClusterSize = { services: 500, pods: 2_000 };
const SYSTEM = "istio-system";
const CUSTOM = [
  "AuthorizationPolicy",
  "PeerAuthentication",
  "ServiceEntry",
  "WorkloadEntry",
  "Gateway",
  "GatewayClass",
] as const;
/** Writes under way at a time, while the cluster is made. */
const WRITERS = 8;
const CHANGES = 200;
const CHANGE_MS = 100;
const READY_MS = 60_000;
const MAIN = fileURLToPath(new URL("../../../apps/controlplane/src/main.ts", import.meta.url));

export interface ClusterPushReport extends ClusterSize {
  readonly clients: number;
  /** From the start of the control plane until it is ready. */
  readonly startMs: number;
  /** From a pod's change being sent to the API server until all clients have it. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssMiB: number;
}

interface Written {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; ownerReferences?: unknown; uid?: unknown };
  readonly spec?: { readonly clusterIP?: unknown; readonly clusterIPs?: unknown; readonly [field: string]: unknown };
  readonly status?: unknown;
}

const RESOURCES = new Map(Object.entries(apiKinds).map(([kind, found]) => [kind, { ...found, kind }]));

function pathOf(object: Written, more: { readonly subresource?: "status" } = {}): string {
  const resource = RESOURCES.get(object.kind);
  if (resource === undefined) throw new MeshError(Code.Bug, `Cannot write a ${object.kind}: its path is not known`);
  return objectPath(resource, object, more);
}

/** As a user and the kubelet would write it: what the API server gives out itself is left to it. */
async function write(api: ApiServer, object: Written): Promise<{ readonly metadata: { readonly uid: string } }> {
  const { ownerReferences: _o, uid: _u, ...metadata } = object.metadata;
  const { clusterIP: _c, clusterIPs: _i, ...spec } = object.spec ?? {};
  const body = { ...object, metadata, ...(object.spec === undefined ? {} : { spec }) };
  const send = (path: string): Promise<{ metadata: { uid: string } }> =>
    api.done("PATCH", `${path}?fieldManager=bench&force=true`, body, "application/apply-patch+yaml");
  const made = await send(pathOf(object));
  if (object.status !== undefined) await send(pathOf(object, { subresource: "status" }));
  return made;
}

async function makeCluster(api: ApiServer): Promise<void> {
  await defineKinds(api, CUSTOM.map(apiResourceOf));
  const objects = [...simulatedCluster(SIZE)] as Written[];
  const isFirst = ({ kind }: Written): boolean => kind === "Namespace" || kind === "Node";
  await write(api, { apiVersion: "v1", kind: "Namespace", metadata: { name: SYSTEM } });
  for (const some of [objects.filter(isFirst), objects.filter((o) => !isFirst(o))]) {
    const left = some.values();
    const writer = async (): Promise<void> => {
      for (const object of left) await write(api, object);
    };
    await Promise.all(Array.from({ length: WRITERS }, writer));
  }
}

async function tokenOfProxy(api: ApiServer): Promise<string> {
  const name = "ztunnel-bench";
  const labels = { app: "ztunnel" };
  await api.done("POST", `/api/v1/namespaces/${SYSTEM}/serviceaccounts`, { metadata: { name: "ztunnel" } });
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: SYSTEM, labels },
    spec: { nodeName: "node-0", serviceAccountName: "ztunnel", containers: [{ name: "main", image: "i" }] },
  };
  const { metadata } = await write(api, pod);
  return serviceAccountToken(api, { namespace: SYSTEM, name: "ztunnel" }, { pod: { name, uid: metadata.uid } });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

interface Plane extends AsyncDisposable {
  readonly port: number;
  readonly startMs: number;
  readonly pid: number;
}

async function startPlane(kubeconfig: string): Promise<Plane> {
  const [port, ready] = [await freePort(), await freePort()];
  const startedMs = machineMs();
  const { program, args, env } = appProgram(MAIN);
  const child: ChildProcess = spawn(program, args, {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ...env,
      ...{ PATH: process.env["PATH"], KUBECONFIG: kubeconfig, POD_NAMESPACE: SYSTEM, LOG_LEVEL: "error" },
      ...{ DISCOVERY_ADDRESS: `127.0.0.1:${port}`, READINESS_ADDRESS: `127.0.0.1:${ready}` },
      ...{ DEBUG_ADDRESS: "127.0.0.1:0", WEBHOOK_ADDRESS: "127.0.0.1:0", PILOT_MAX_REQUESTS_PER_SECOND: "1000" },
    },
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  };
  while (!(await fetch(`http://127.0.0.1:${ready}/ready`).catch(() => null))?.ok) {
    if (child.exitCode === null && machineMs() - startedMs < READY_MS) await pause(50);
    else {
      await stop();
      throw new MeshError(Code.Unavailable, "the control plane did not become ready");
    }
  }
  return { port, startMs: machineMs() - startedMs, pid: child.pid ?? 0, [Symbol.asyncDispose]: stop };
}

async function rootOf(api: ApiServer): Promise<string> {
  for (;;) {
    const { status, body } = await api.call("GET", `/api/v1/namespaces/${SYSTEM}/configmaps/istio-ca-root-cert`);
    if (status === 200)
      return (body as { readonly data: Readonly<Record<string, string>> }).data["root-cert.pem"] ?? "";
    await pause(100);
  }
}

/** Pods without kubelets, changed one after another in a real API server, until every client has each change. */
export async function benchClusterPush(count: number): Promise<ClusterPushReport> {
  const problem = apiServerProblem();
  if (problem !== null) throw new MeshError(Code.Unavailable, `Cannot start an API server: ${problem}`);
  await using api = await startApiServer();
  await makeCluster(api);
  const token = await tokenOfProxy(api);
  await using plane = await startPlane(api.kubeconfig({}));
  await using clients: Clients = new Peer("./push-client.ts");
  const rootPem = await rootOf(api);
  await clients.ask({ t: "connect", count, port: plane.port, rootPem, token }, "connected");
  const sentMs = new Map<number, number>();
  for (let n = 1; n <= CHANGES; n++) {
    const pod = simulatedPod(...podOf(SIZE, n)) as Written;
    const body = { metadata: { labels: { version: changeMark(n) } } };
    sentMs.set(n, machineMs());
    await api.done("PATCH", pathOf(pod), body, "application/merge-patch+json");
    await pause(CHANGE_MS);
  }
  const tookMs = await heardBy(clients, sentMs);
  const rssMiB = processCost([plane.pid]).rssMiB;
  return {
    ...{ ...SIZE, clients: count, startMs: plane.startMs, rssMiB },
    ...{ p50Ms: percentile(tookMs, 0.5), p99Ms: percentile(tookMs, 0.99) },
  };
}

export function renderClusterPush(r: ClusterPushReport): string {
  return (
    `a real API server with ${r.services} services and ${r.pods} pods, ${r.clients} clients: ready after ` +
    `${r.startMs.toFixed(0)} ms; from a change being sent until all have it p50 ${r.p50Ms.toFixed(1)} ms, ` +
    `p99 ${r.p99Ms.toFixed(1)} ms; resident ${r.rssMiB.toFixed(0)} MiB\n`
  );
}

const MAX_P50_MS = 50;
const MAX_P99_MS = 150;
const MAX_RSS_MB = 250;

/** Figures that are asked for and not reached. */
export function missedClusterPush(r: ClusterPushReport): readonly string[] {
  const rssMb = (r.rssMiB * 2 ** 20) / 1e6;
  return [
    ...(r.p50Ms <= MAX_P50_MS ? [] : [`API server: p50 ${r.p50Ms.toFixed(0)} ms, at most ${MAX_P50_MS}`]),
    ...(r.p99Ms <= MAX_P99_MS ? [] : [`API server: p99 ${r.p99Ms.toFixed(0)} ms, at most ${MAX_P99_MS}`]),
    ...(rssMb <= MAX_RSS_MB ? [] : [`API server: ${rssMb.toFixed(0)} MB resident, at most ${MAX_RSS_MB}`]),
  ];
}
