import type { ByteStream, StreamHandler } from "@lateen/byte-stream";
import type { DataPath, Mover, SecureStream, SocketStream } from "@lateen/datapath";
import {
  type ConnectRequest,
  type HboneClient,
  type HboneServer,
  type HboneStream,
  hboneClient,
  hboneServer,
} from "@lateen/hbone";
import type { Result } from "@lateen/errors";
import { PolicyStore } from "@lateen/policy";
import { createLogging } from "@lateen/telemetry";
import { WorkloadStore, buildBaggage } from "@lateen/workload-model";
import type { DataConfig } from "../../config.ts";
import type { CredentialsPem } from "../../messages.ts";
import type { ConnectionFacts } from "../connection-facts.ts";
import { CredentialCache } from "../credential-cache.ts";
import { HANDSHAKE_TIMEOUT_MS } from "../limits.ts";
import { LiveConnections } from "../live-connections.ts";
import { OpenConnection } from "../open-connection.ts";
import { PodContext } from "../pod-context.ts";
import { PodTunnels, innerAnswer } from "../pod-tunnels.ts";
import type { ServedPod } from "../served-pod.ts";
import type { ThreadContext } from "../thread-context.ts";
import { Traffic } from "../traffic.ts";

/** Of the tunnel. */
export const STREAMS = 12;
/** Connections without a tunnel. */
export const PLAIN = 20;
const TENANT = "rehearsal";
const AUTHORITY = "192.0.2.1:1";
const REQUEST = { authority: AUTHORITY, headers: [["forwarded", "for=192.0.2.1"]] as const };
const IDENTITY = { trustDomain: "rehearsal", namespace: "rehearsal", serviceAccount: "rehearsal" } as const;
const ADDRESS = { ip: "192.0.2.1", port: 1 } as const;
const WORKLOAD: ConnectionFacts["srcWorkload"] = {
  name: "rehearsal",
  namespace: "rehearsal",
  identity: IDENTITY,
  canonicalName: "rehearsal",
  canonicalRevision: "latest",
  workloadName: "rehearsal",
  clusterId: "rehearsal",
  locality: null,
};

export const facts = (direction: "inbound" | "outbound", carried: "in a tunnel" | "plainly"): ConnectionFacts => ({
  direction,
  src: ADDRESS,
  srcWorkload: WORKLOAD,
  srcBaggage: null,
  srcIdentity: carried === "in a tunnel" ? IDENTITY : null,
  dst: ADDRESS,
  hboneAuthority: carried === "in a tunnel" ? AUTHORITY : null,
  dstService: { name: "rehearsal", namespace: "rehearsal", hostname: "rehearsal" },
  dstWorkload: WORKLOAD,
  dstIdentity: carried === "in a tunnel" ? IDENTITY : null,
});

/** One end of a connection as an application has it. */
export class Application implements StreamHandler {
  readonly #stream: ByteStream;
  readonly #heard: (bytes: Uint8Array) => void;
  closed = false;

  constructor(stream: ByteStream, heard: ((bytes: Uint8Array) => void) | "echo") {
    this.#stream = stream;
    this.#heard = heard === "echo" ? (bytes) => this.send(bytes) : heard;
    stream.attach(this);
  }

  onData(bytes: Uint8Array): void {
    this.#heard(bytes);
  }
  onEnd(): void {}
  onWritable(): void {}
  onClose(): void {
    this.closed = true;
  }

  send(bytes: Uint8Array): void {
    this.#stream.write(bytes);
  }
  abort(): void {
    this.#stream.abort();
  }
}

export interface LittleMeshWorld {
  readonly path: DataPath;
  readonly config: DataConfig;
  /** Connections of another tunnel, to a gateway, each with a tunnel of its own inside; one when absent. */
  readonly inner?: number;
}

export interface LittleMeshEvents {
  /** Every connection carries. */
  readonly ready: () => void;
  readonly failed: (why: string) => void;
  /** What came back to one of the clients. */
  readonly heard: (client: number, bytes: Uint8Array) => void;
  /** Where an application's end of a connection is to live; where it is made, when absent. */
  readonly settle?: (end: SocketStream) => ByteStream;
}

/**
 * One data thread as both ends of a mesh without a network, between applications that echo: a tunnel with a few connections, one to
 * a gateway with tunnels inside it, and connections without a tunnel. Nothing of it is counted, logged or seen by anybody.
 */
export class LittleMesh {
  readonly pods: ReadonlyMap<string, ServedPod>;
  readonly clients: Application[] = [];
  readonly #servers: Application[] = [];
  readonly #path: DataPath;
  readonly #events: LittleMeshEvents;
  readonly #near: ServedPod;
  readonly #far: ServedPod;
  readonly #inner: number;
  #open = 0;

  constructor({ path, config, inner = 1 }: LittleMeshWorld, events: LittleMeshEvents) {
    this.#path = path;
    this.#inner = inner;
    this.#events = events;
    const thread = quietThread(path, config, (fault) => events.failed(String(fault)));
    this.#near = servedPod(thread, "near");
    this.#far = servedPod(thread, "far");
    this.pods = podsByUid([this.#near, this.#far]);
  }

  begin(mover: Mover, pem: CredentialsPem): void {
    const credentials = this.#path.credentials(pem);
    const secure = (stream: ByteStream, role: "client" | "server", done: (secured: SecureStream) => void): void => {
      const how = { role, credentials, alpn: "h2", timeoutMs: HANDSHAKE_TIMEOUT_MS, verifyPeer: () => null } as const;
      this.#path.secure(stream, how, (secured) => {
        if (secured.ok) done(secured.value);
        else this.#events.failed(secured.error.message);
      });
    };
    const echo = (): ByteStream => this.#application(mover);
    /** What a gateway dials: a pod that ends the inner tunnel. */
    const pod = (): ByteStream => {
      const [near, far] = mover.pair(TENANT);
      secure(far, "server", (stream) => this.#serve(stream, echo));
      return near;
    };
    for (const upstream of [echo, pod]) {
      const [a, b] = mover.pair(TENANT);
      secure(b, "server", (stream) => this.#serve(stream, upstream));
      secure(a, "client", (stream) => {
        const tunnel = this.#dial(stream);
        if (upstream === echo) for (let i = 0; i < STREAMS; i++) this.#connect(mover, tunnel);
        else for (let i = 0; i < this.#inner; i++) this.#connectThrough(mover, tunnel, secure);
      });
    }
    for (let i = 0; i < PLAIN; i++) {
      const downstream = this.#client(mover);
      this.#outgoing(downstream, "plainly").carry(downstream, this.#application(mover));
    }
  }

  #serve(stream: SecureStream, upstream: () => ByteStream): void {
    const accept = (request: ConnectRequest): void => {
      const about = {
        downstream: null,
        judged: { identity: IDENTITY, source: ADDRESS, destination: ADDRESS },
        originalDst: ADDRESS,
      };
      const connection = new OpenConnection(this.#far.context, facts("inbound", "in a tunnel"), about);
      connection.carry(request.accept([]), upstream());
    };
    const options = { trust: "authenticated", ...this.#far.tunnels.clientOptions() } as const;
    const server: HboneServer = hboneServer(stream, options, accept);
    this.#far.tunnels.accepted(server, { stream, peer: IDENTITY, spoofs: false });
  }

  #dial(stream: SecureStream): HboneClient {
    const { tunnels } = this.#near;
    const tunnel = hboneClient(stream, { trust: "authenticated", ...tunnels.clientOptions() });
    const target = { as: "", expected: ["rehearsal"], to: ADDRESS, from: "" };
    tunnels.putIn(tunnel, { stream, target }, { shared: true, idleMs: 0 });
    return tunnel;
  }

  #connect(mover: Mover, tunnel: HboneClient): void {
    const downstream = this.#client(mover);
    const connection = this.#outgoing(downstream, "in a tunnel");
    const target = { ...REQUEST };
    connection.awaiting = { t: "answer", target, inner: null };
    tunnel.connect(target, this.#answer(connection, downstream));
  }

  /** As for a destination on another network. */
  #connectThrough(
    mover: Mover,
    outer: HboneClient,
    secure: (stream: ByteStream, role: "client", done: (secured: SecureStream) => void) => void,
  ): void {
    const downstream = this.#client(mover);
    const connection = this.#outgoing(downstream, "in a tunnel");
    const inner = { expected: ["rehearsal"], request: { ...REQUEST } };
    const target = { ...REQUEST };
    connection.awaiting = { t: "answer", target, inner };
    outer.connect(target, (through) => {
      if (!through.ok) return this.#events.failed(through.error.message);
      secure(through.value, "client", (stream) => {
        const { tunnels } = this.#near;
        const tunnel = hboneClient(stream, { trust: "authenticated", ...tunnels.clientOptions() });
        tunnels.putInner(tunnel, { through: through.value, stream });
        tunnel.connect(inner.request, innerAnswer(tunnel, this.#answer(connection, downstream)));
      });
    });
  }

  #answer(connection: OpenConnection, downstream: ByteStream): (answer: Result<HboneStream>) => void {
    return (answer) => {
      if (!answer.ok) return this.#events.failed(answer.error.message);
      connection.carry(downstream, answer.value);
      this.#open += 1;
      if (this.#open === STREAMS + this.#inner) this.#events.ready();
    };
  }

  #outgoing(downstream: ByteStream, how: "in a tunnel" | "plainly"): OpenConnection {
    const about = { downstream, judged: null, originalDst: ADDRESS };
    return new OpenConnection(this.#near.context, facts("outbound", how), about);
  }

  #client(mover: Mover): ByteStream {
    const [app, downstream] = mover.pair(TENANT);
    const index = this.clients.length;
    this.clients.push(new Application(this.#settle(app), (bytes) => this.#events.heard(index, bytes)));
    return downstream;
  }

  #settle(end: SocketStream): ByteStream {
    return this.#events.settle?.(end) ?? end;
  }

  #application(mover: Mover): ByteStream {
    const [upstream, app] = mover.pair(TENANT);
    this.#servers.push(new Application(this.#settle(app), "echo"));
    return upstream;
  }

  /** Ends every connection. */
  end(): void {
    for (const app of [...this.clients, ...this.#servers]) app.abort();
  }
}

const podsByUid = (pods: readonly ServedPod[]): ReadonlyMap<string, ServedPod> =>
  new Map(pods.map((pod) => [pod.context.info.uid, pod]));

/** The same pods where nothing is carried yet, as a successor has them. */
export function twinPods({ path, config }: LittleMeshWorld, fault: (fault: unknown) => void): LittleMesh["pods"] {
  const thread = quietThread(path, config, fault);
  return podsByUid(["near", "far"].map((name) => servedPod(thread, name)));
}

export function stopPods(pods: LittleMesh["pods"]): void {
  for (const { context, tunnels } of pods.values()) {
    context.stop();
    tunnels.stop();
  }
}

/** What the pods of a thread share, with nobody to hear of it. */
export function quietThread(path: DataPath, config: DataConfig, fault: (fault: unknown) => void): ThreadContext {
  const logging = createLogging({ write: () => undefined, nowMicros: () => 0, format: "text", levels: new Map() });
  return {
    path,
    config,
    workloads: new WorkloadStore(null),
    policies: new PolicyStore(),
    credentials: new CredentialCache(path, () => undefined),
    connections: new LiveConnections(),
    traffic: new Traffic(),
    access: logging.logger("access"),
    log: logging.logger("proxy"),
    accepted: () => undefined,
    fault,
    random: () => 0,
    randomHex: (bytes) => "00".repeat(bytes),
    baggage: buildBaggage,
  };
}

/** A pod of a mesh without a network. */
function servedPod(thread: ThreadContext, name: string): ServedPod {
  const info = { uid: `rehearsal-${name}`, name, namespace: "rehearsal", serviceAccount: "rehearsal" };
  const context = new PodContext(thread, info, -1);
  return { context, tunnels: new PodTunnels(context) };
}
