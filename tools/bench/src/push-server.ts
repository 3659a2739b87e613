import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { authenticateCaller, generateTokenKey, localTokenVerifier, openAuthority, signLocalToken } from "@lateen/ca";
import {
  DiscoveryService,
  MeshFeed,
  OptionalClientCertificate,
  ResourceStore,
  ServedTypes,
  createGrpcServer,
  createXdsMetrics,
  listenGrpc,
} from "@lateen/controlplane";
import { ok } from "@lateen/errors";
import { systemClock } from "@lateen/lifecycle";
import { createLogging, createRegistry, parseLevels } from "@lateen/telemetry";
import { type ResourceChange, keyInKind, modelOptions } from "@lateen/translation";
import {
  type PushServerAsk,
  type PushServerCost,
  type PushServerTold,
  changeMark,
  machineMs,
} from "./push-messages.ts";
import {
  type ClusterSize,
  podOf,
  readSimulated,
  simulatedCluster,
  simulatedNamespace,
  simulatedPod,
} from "./simulated-cluster.ts";

// `push-server.ts SERVICES PODS`: the control plane's own parts over a simulated cluster, serving real clients.
const [services = 0, pods = 0] = process.argv.slice(2).map(Number);
const size: ClusterSize = { services, pods };
const registry = createRegistry();
const tell = (told: PushServerTold): void => void process.send?.(told);

const levels = parseLevels("warn");
if (!levels.ok) throw levels.error;
const log = createLogging({
  write: (line) => process.stderr.write(`${line}\n`),
  nowMicros: () => Date.now() * 1_000,
  levels: levels.value,
});
const store = new ResourceStore((body) => createHash("sha256").update(body).digest("hex").slice(0, 16));
const feed = new MeshFeed(store, modelOptions(), log.logger("config"));
const dir = mkdtempSync(join(tmpdir(), "push-bench-"));
process.once("exit", () => rmSync(dir, { recursive: true, force: true }));

function put(object: object): ResourceChange {
  const after = readSimulated(object);
  return { kind: after.kind, key: keyInKind(after), after };
}
const take = (changes: readonly ResourceChange[]): void => feed.take({ changes, problems: [] }, () => null);

const begunMs = machineMs();
take([...simulatedCluster(size)].map(put));
const startMs = machineMs() - begunMs;

const authority = await openAuthority({ keys: join(dir, "ca"), trustDomain: "cluster.local", nowMs: Date.now });
const clusters = { local: "Kubernetes", aliases: new Map<string, string>() };
const key = generateTokenKey();
const verifyToken = localTokenVerifier({ publicKeyPem: key.publicKeyPem, audience: "istio-ca", nowMs: Date.now });
const token = signLocalToken(
  { namespace: "istio-system", serviceAccount: "ztunnel", pod: { name: "z", uid: "z" }, node: "node-0" },
  { privateKeyPem: key.privateKeyPem, issuer: "bench", audiences: ["istio-ca"], nowMs: Date.now(), ttlSec: 3_600 },
);
const made = await authority.issueServer({ names: [{ t: "dns", value: "localhost" }], ttlSec: 3_600 });
const server = createGrpcServer(null);
const quiet = log.logger("discovery");
const listener = await listenGrpc(server, {
  address: "127.0.0.1:0",
  credentials: new OptionalClientCertificate({ ...made, rootsPem: authority.rootsPem }),
  limits: { connections: 10_000, perSecond: 1_000, burst: 1_000 },
  clock: systemClock,
  log: quiet,
});
const discovery = new DiscoveryService({
  store,
  types: new ServedTypes(store, feed.lookup),
  authenticate: (proof) => authenticateCaller(proof, { trustDomain: "cluster.local", verifyToken, clusters }),
  authorize: () => ok(null),
  limits: {
    ...{ streams: 10_000, newStreamsPerSecond: 100, namesPerClient: 100_000, names: 1_000_000, unreadBytes: 256 << 20 },
    ...{ firstRequestMs: 30_000, sendMs: 60_000, answerMs: 300_000, ageMs: null, graceMs: 10_000 },
  },
  metrics: createXdsMetrics(registry),
  log: quiet,
  clock: systemClock,
  random: Math.random,
  debug: () => ({ t: "resources", resources: [] }),
  identifier: "{}",
  cut: (peer) => listener.cut(peer),
});
server.addService(discovery.definition, discovery.handlers);

let changes = 0;
/** CPU of the bench's own looking, which is none of the control plane's. */
let lookedUs = 0;
/** One pod after another: its revision label becomes the number of the change. */
function change(): readonly [number, number] {
  const number = (changes += 1);
  const pod = simulatedPod(...podOf(size, number)) as { metadata: { labels: Record<string, string> } };
  pod.metadata.labels["version"] = changeMark(number);
  const madeMs = machineMs();
  take([put(pod)]);
  return [number, madeMs];
}

async function changeAll(count: number, everyMs: number): Promise<void> {
  const madeMs: (readonly [number, number])[] = [];
  const startedMs = machineMs();
  while (madeMs.length < count) {
    // At its time, or as soon as may be: what was late is made up for.
    const due = Math.min(count, Math.floor((machineMs() - startedMs) / everyMs) + 1);
    while (madeMs.length < due) madeMs.push(change());
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, startedMs + madeMs.length * everyMs - machineMs())));
  }
  tell({ t: "changed", madeMs });
}

async function churn(namespaces: number): Promise<void> {
  for (let n = 0; n < namespaces; n++) {
    const objects = [...simulatedNamespace(`passing-${n}`, { first: 20_000 + n, count: 1, perService: 5 })].map(put);
    take(objects);
    if (n % 5 === 0) await new Promise((resolve) => setImmediate(resolve)); // clients hear of some of them
    take(objects.map(({ kind, key }) => ({ kind, key, after: undefined })));
    if (n % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  tell({ t: "churned" });
}

function cost(): PushServerCost {
  const { user, system } = process.cpuUsage();
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  for (let i = 0; i < 3; i++) gc();
  const { heapUsed, rss } = process.memoryUsage();
  const now = process.cpuUsage();
  const own = now.user + now.system - user - system;
  const families = registry.families();
  const sum = (name: string, of: "value" | "count"): number =>
    (families.find((f) => f.name === name)?.series ?? []).reduce(
      (total, s) => total + (of === "value" ? s.value : (s.counts ?? []).reduce((a, b) => a + b, 0)),
      0,
    );
  const cpuMs = (user + system - lookedUs) / 1_000;
  lookedUs += own;
  return {
    ...{ heapMiB: heapUsed / 2 ** 20, rssMiB: rss / 2 ** 20, cpuMs },
    pushes: sum("pilot_xds_config_size_bytes", "count"),
    pushedBytes: sum("pilot_xds_config_size_bytes", "value"),
    rejects: sum("pilot_total_xds_rejects", "value"),
    clients: discovery.streams.length,
  };
}

process.on("message", (ask: PushServerAsk) => {
  if (ask.t === "change") void changeAll(ask.count, ask.everyMs);
  else if (ask.t === "churn") void churn(ask.namespaces);
  else tell({ t: "cost", cost: cost() });
});
process.once("disconnect", () => process.exit(0));
const responseMiB = store.addresses.bytes / 2 ** 20;
const resources = store.addresses.size + store.authorizations.size;
tell({ t: "ready", port: listener.port, rootPem: authority.rootsPem, token, startMs, resources, responseMiB });
