import type { ByteStream, CloseReason, StreamHandler } from "@lateen/byte-stream";
import {
  Oid,
  createSigner,
  encodePem,
  exportPrivateKey,
  generateKeyPair,
  issueCertificate,
  issueRoot,
} from "@lateen/certificates";
import type { SocketStream } from "@lateen/datapath";
import type { Authorization, Match } from "@lateen/policy";
import type { Service, Workload } from "@lateen/workload-model";
import { parseConfig } from "../config.ts";
import { STATE_FORMAT } from "../handover/state-format.ts";
import type { FromThread, IdentityState } from "../messages.ts";
import { DataThread } from "./data-thread.ts";
import { MemoryNetwork } from "./memory-data-path.test.support.ts";

export const CLIENT = { netns: 1, ip: "10.0.0.1", name: "client", node: "node-1" } as const;
export const SERVER = { netns: 2, ip: "10.0.0.2", name: "server", node: "node-2" } as const;
/** Not captured. */
export const OUTSIDE = { netns: 3, ip: "10.0.0.3" } as const;
export const VIP = "10.96.0.1";

type Pod = typeof CLIENT | typeof SERVER;

export const uriOf = (name: string, trustDomain = "cluster.local"): string =>
  `spiffe://${trustDomain}/ns/demo/sa/${name}`;

export function workload(pod: Pod, over: Partial<Workload> = {}): Workload {
  return {
    uid: `Kubernetes//Pod/demo/${pod.name}`,
    name: pod.name,
    namespace: "demo",
    addresses: [pod.ip],
    network: "",
    hostname: "",
    tunnelProtocol: "HBONE",
    nativeTunnel: false,
    identity: { trustDomain: "cluster.local", namespace: "demo", serviceAccount: pod.name },
    node: pod.node,
    networkMode: "STANDARD",
    status: "HEALTHY",
    waypoint: null,
    networkGateway: null,
    applicationTunnel: null,
    authorizationPolicies: [],
    services: pod === SERVER ? new Map([["demo/server.demo.svc", []]]) : new Map(),
    canonicalName: pod.name,
    canonicalRevision: "v1",
    workloadType: "DEPLOYMENT",
    workloadName: pod.name,
    clusterId: "Kubernetes",
    locality: null,
    capacity: 1,
    ...over,
  };
}

export const service: Service = {
  name: "server",
  namespace: "demo",
  hostname: "server.demo.svc",
  addresses: [{ network: "", ip: VIP, length: null }],
  ports: [{ servicePort: 80, targetPort: 8080 }],
  subjectAltNames: [],
  waypoint: null,
  weightedWaypoints: [],
  loadBalancing: null,
  ipFamilies: "AUTOMATIC",
  canonical: false,
  visibility: "PUBLIC",
};

const NO_MATCH: Match = {
  namespaces: [],
  notNamespaces: [],
  principals: [],
  notPrincipals: [],
  serviceAccounts: [],
  notServiceAccounts: [],
  sourceIps: [],
  notSourceIps: [],
  destinationIps: [],
  notDestinationIps: [],
  destinationPorts: [],
  notDestinationPorts: [],
};

/** A policy of namespace demo with one rule. */
export function policy(
  name: string,
  action: Authorization["action"],
  match: Partial<Match>,
  scope: Authorization["scope"] = "Namespace",
): Authorization {
  const rules = [{ clauses: [{ matches: [{ ...NO_MATCH, ...match }] }] }];
  return { name, namespace: "demo", scope, action, rules, dryRun: false };
}

/** Issues the certificate of an identity: real ones, so that what is judged is what the kernel's peers would show. */
export async function certificateFor(uri: string): Promise<IdentityState> {
  const nowMs = Date.now();
  const signer = await createSigner(crypto, await generateKeyPair(crypto));
  const root = await issueRoot(crypto, { signer, organization: "mesh", nowMs, ttlSec: 86_400 });
  const keys = await generateKeyPair(crypto);
  const leaf = await issueCertificate(crypto, {
    issuer: { certificate: root, signer },
    publicKey: (await createSigner(crypto, keys)).publicKey,
    sans: [{ t: "uri", value: uri }],
    notBeforeMs: nowMs - 60_000,
    notAfterMs: nowMs + 3_600_000,
    keyUsages: ["digitalSignature"],
    extKeyUsages: [Oid.ServerAuth, Oid.ClientAuth],
  });
  return {
    t: "available",
    keyPem: await exportPrivateKey(crypto, keys),
    chainPem: encodePem("CERTIFICATE", leaf.der),
    rootsPem: [encodePem("CERTIFICATE", root.der)],
  };
}

/** One end of a connection as an application has it. */
export class End implements StreamHandler {
  readonly stream: ByteStream;
  text = "";
  received = 0;
  ended = false;
  writable = 0;
  closed: CloseReason | null = null;

  constructor(stream: ByteStream) {
    this.stream = stream;
    stream.attach(this);
  }

  onData(bytes: Uint8Array): void {
    this.received += bytes.length;
    if (this.text.length < 1_000) this.text += new TextDecoder().decode(bytes);
  }

  onEnd(): void {
    this.ended = true;
  }

  onWritable(): void {
    this.writable += 1;
  }

  onClose(reason: CloseReason): void {
    this.closed = reason;
  }

  send(text: string): boolean {
    return this.stream.write(new TextEncoder().encode(text));
  }
}

/** A node: one data thread with one pod. */
export class Node {
  readonly thread: DataThread;
  readonly posted: FromThread[] = [];
  readonly pod: Pod;
  /** CPU time of its thread. */
  cpuMs = 0;

  constructor(network: MemoryNetwork, pod: Pod) {
    const config = parseConfig({ NODE_NAME: pod.node });
    if (!config.ok) throw config.error;
    this.pod = pod;
    this.thread = new DataThread(
      {
        path: network,
        random: () => 0,
        randomHex: (bytes) => "ab".repeat(bytes),
        nowMicros: () => network.nowMs() * 1_000,
        post: (message) => this.posted.push(message),
        clockMs: () => network.nowMs(),
        closeFd: () => undefined,
        duplicateFd: (fd) => fd,
        cpuMs: () => this.cpuMs,
        waitedMs: () => 0,
        receivedBytes: () => 0,
        rest: () => undefined,
        watch: null,
        stateFormat: STATE_FORMAT,
      },
      {
        config: config.value.data,
        logFormat: "text",
        levels: new Map(),
        stateFormatModule: null,
        ticketSecret: null,
        tellsLoad: true,
      },
    );
  }

  startPod(): void {
    const { name, netns } = this.pod;
    this.thread.receive({
      t: "start-pod",
      pod: { uid: `uid-${name}`, name, namespace: "demo", serviceAccount: name },
      netns,
      id: 1,
      listeners: [],
    });
  }

  stopPod(): void {
    this.thread.receive({ t: "stop-pod", uid: `uid-${this.pod.name}`, netns: this.pod.netns, id: 1 });
  }

  /** The log since the last call, without time stamps. */
  log(): readonly string[] {
    const lines = this.posted.flatMap((m) =>
      m.t === "log" ? m.lines.map((line) => line.split("\t").slice(1).join(" ")) : [],
    );
    this.posted.splice(0, this.posted.length, ...this.posted.filter((m) => m.t !== "log"));
    return lines;
  }

  /** Live connections and the traffic counters. */
  report(): Extract<FromThread, { t: "report" }>["report"] {
    this.thread.receive({ t: "report", id: 1 });
    const last = this.posted.pop();
    if (last?.t !== "report") throw new Error("no report");
    return last.report;
  }
}

export interface MeshOptions {
  readonly certificates: { readonly client: IdentityState; readonly server: IdentityState };
  readonly workloads?: readonly Workload[];
  readonly services?: readonly Service[];
  readonly policies?: readonly Authorization[];
}

/** Two nodes with a pod each, an application on port 8080 of the server's and of the uncaptured pod. */
export class TwoNodes {
  readonly network = new MemoryNetwork();
  readonly near: Node;
  readonly far: Node;
  /** What the applications accepted, oldest first. */
  readonly accepted: End[] = [];

  constructor(o: MeshOptions) {
    for (const { ip, netns } of [CLIENT, SERVER, OUTSIDE]) this.network.address(ip, netns);
    const accept = (stream: SocketStream): void => void this.accepted.push(new End(stream));
    for (const { netns } of [SERVER, OUTSIDE]) this.network.serve(netns, 8080, accept);
    this.near = new Node(this.network, CLIENT);
    this.far = new Node(this.network, SERVER);
    this.addresses(o.workloads ?? [workload(CLIENT), workload(SERVER)], o.services ?? [service]);
    this.policies(o.policies ?? []);
    this.identity(this.near, "client", o.certificates.client);
    this.identity(this.far, "server", o.certificates.server);
    this.near.startPod();
    this.far.startPod();
  }

  addresses(workloads: readonly Workload[], services: readonly Service[] = []): void {
    for (const node of [this.near, this.far])
      node.thread.receive({ t: "addresses", update: { workloads, services, removed: [] } });
  }

  policies(upserted: readonly Authorization[], removed: readonly string[] = []): void {
    for (const node of [this.near, this.far]) node.thread.receive({ t: "authorizations", upserted, removed });
  }

  identity(node: Node, name: string, state: IdentityState | null): void {
    node.thread.receive({ t: "identity", identity: uriOf(name), state });
  }

  /** A connection that the client's application opens, captured on its way out. */
  async open(ip: string = SERVER.ip, port = 8080): Promise<End> {
    const end = new End(this.network.captured(CLIENT.netns, 15_001, { from: CLIENT.ip, to: { ip, port } }));
    await this.network.settle();
    return end;
  }

  /** A plaintext connection to the server's pod, captured on its way in. */
  async plaintext(from: string = OUTSIDE.ip, port = 8080): Promise<End> {
    const end = new End(this.network.captured(SERVER.netns, 15_006, { from, to: { ip: SERVER.ip, port } }));
    await this.network.settle();
    return end;
  }
}
