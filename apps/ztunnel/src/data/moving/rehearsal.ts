import type { ByteStream, StreamHandler } from "@lateen/byte-stream";
import type { DataPath, Mover, SecureStream } from "@lateen/datapath";
import { type ConnectRequest, type HboneServer, hboneClient, hboneServer } from "@lateen/hbone";
import { PolicyStore } from "@lateen/policy";
import { createLogging } from "@lateen/telemetry";
import { WorkloadStore, buildBaggage } from "@lateen/workload-model";
import type { DataConfig } from "../../config.ts";
import type { CredentialsPem, FromThread } from "../../messages.ts";
import type { ConnectionFacts } from "../connection-facts.ts";
import { CredentialCache } from "../credential-cache.ts";
import { HANDSHAKE_TIMEOUT_MS } from "../limits.ts";
import { LiveConnections } from "../live-connections.ts";
import { OpenConnection } from "../open-connection.ts";
import { PodContext } from "../pod-context.ts";
import { PodTunnels } from "../pod-tunnels.ts";
import type { ServedPod } from "../served-pod.ts";
import type { ThreadContext } from "../thread-context.ts";
import { Traffic } from "../traffic.ts";
import { ThreadMoves } from "./thread-moves.ts";

/** How often everything is moved: until the runtime has compiled what is on the way. */
const ROUNDS = 80;
/** Of the tunnel. */
const STREAMS = 4;
const CHUNK_BYTES = 3_000;
/** A tunnel at either end, and a connection without one. */
const BUNDLES = 3;
/** On a thread that has more to do, it is over after this, however far it came. */
const MAX_MS = 2_000;
const TENANT = "rehearsal";

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

const facts = (direction: "inbound" | "outbound", tunnelled: boolean): ConnectionFacts => ({
  direction,
  src: ADDRESS,
  srcWorkload: WORKLOAD,
  srcBaggage: null,
  srcIdentity: tunnelled ? IDENTITY : null,
  dst: ADDRESS,
  hboneAuthority: tunnelled ? "192.0.2.1:1" : null,
  dstService: { name: "rehearsal", namespace: "rehearsal", hostname: "rehearsal" },
  dstWorkload: WORKLOAD,
  dstIdentity: tunnelled ? IDENTITY : null,
});

export interface RehearsalWorld {
  readonly path: DataPath;
  readonly config: DataConfig;
  readonly clockMs: () => number;
  readonly closeFd: (fd: number) => void;
  readonly duplicateFd: (fd: number) => number;
}

/** What an application sends back, or what came of it. */
class Application implements StreamHandler {
  readonly #stream: ByteStream;
  readonly #heard: (bytes: number) => void;

  constructor(stream: ByteStream, heard: ((bytes: number) => void) | "echo") {
    this.#stream = stream;
    this.#heard = heard === "echo" ? () => undefined : heard;
    if (heard === "echo") this.onData = (bytes) => void stream.write(bytes);
    stream.attach(this);
  }

  onData(bytes: Uint8Array): void {
    this.#heard(bytes.length);
  }
  onEnd(): void {}
  onWritable(): void {}
  onClose(): void {}

  send(bytes: Uint8Array): void {
    this.#stream.write(bytes);
  }
  abort(): void {
    this.#stream.abort();
  }
}

/**
 * One data thread as both ends of a mesh without a network: tunnelled and plain connections between applications that echo,
 * which are moved again and again from the thread to itself, by the very functions of a hand-over. A fresh process runs all its
 * code slowly for some dozens of times; here it does so before anybody's connection stands still for it. Nothing of it is
 * counted, logged or seen by anybody, and every step gives the loop back to whoever is served meanwhile.
 */
export class Rehearsal {
  readonly #world: RehearsalWorld;
  readonly #done: (problem: string | null) => void;
  readonly #near: ServedPod;
  readonly #far: ServedPod;
  readonly #moves: ThreadMoves;
  readonly #clients: Application[] = [];
  readonly #servers: Application[] = [];
  readonly #chunk = new Uint8Array(CHUNK_BYTES).fill(1);
  readonly #startedMs: number;
  #awaited = 0;
  #moved = 0;
  #round = 0;
  #over = false;

  /** @param done hears why it could not be rehearsed to the end, or null */
  constructor(world: RehearsalWorld, done: (problem: string | null) => void) {
    const { path, clockMs, closeFd, duplicateFd } = world;
    this.#world = world;
    this.#done = done;
    this.#startedMs = path.nowMs();
    const thread = quiet(world, (fault) => this.#end(String(fault)));
    [this.#near, this.#far] = ["near", "far"].map((name) => served(thread, name)) as [ServedPod, ServedPod];
    const pods = new Map([this.#near, this.#far].map((pod) => [pod.context.info.uid, pod]));
    const post = (message: FromThread): void => path.defer(() => this.#heard(message));
    this.#moves = new ThreadMoves({ path, pods, post, clockMs, closeFd, duplicateFd });
  }

  begin(pem: CredentialsPem): void {
    const { path } = this.#world;
    const { mover } = path;
    if (mover === null) return this.#end(null);
    this.#attempt(() => {
      const common = { credentials: path.credentials(pem), alpn: "h2", timeoutMs: HANDSHAKE_TIMEOUT_MS } as const;
      const [a, b] = mover.pair(TENANT);
      const verifyPeer = (): null => null;
      path.secure(b, { ...common, role: "server", verifyPeer }, (secured) => {
        if (secured.ok) this.#serve(mover, secured.value);
        else this.#end(secured.error.message);
      });
      path.secure(a, { ...common, role: "client", verifyPeer }, (secured) => {
        if (secured.ok) this.#dial(mover, secured.value);
        else this.#end(secured.error.message);
      });
    });
  }

  #serve(mover: Mover, stream: SecureStream): void {
    const { limits, nowMs, defer } = this.#far.tunnels.clientOptions();
    const accept = (request: ConnectRequest): void => {
      const [up, app] = mover.pair(TENANT);
      const about = {
        downstream: null,
        judged: { identity: IDENTITY, source: ADDRESS, destination: ADDRESS },
        originalDst: ADDRESS,
      };
      this.#servers.push(new Application(app, "echo"));
      new OpenConnection(this.#far.context, facts("inbound", true), about).carry(request.accept([]), up);
    };
    const server: HboneServer = hboneServer(
      stream,
      { trust: "authenticated", ...(limits && { limits }), nowMs, ...(defer && { defer }) },
      accept,
    );
    this.#far.tunnels.accepted(server, { stream, peer: IDENTITY, spoofs: false });
  }

  #dial(mover: Mover, stream: SecureStream): void {
    const { tunnels } = this.#near;
    const client = hboneClient(stream, { trust: "authenticated", ...tunnels.clientOptions() });
    const target = { as: "", expected: ["rehearsal"], to: ADDRESS, from: "" };
    tunnels.putIn(client, { stream, target }, { shared: true, idleMs: 0 });
    let open = 0;
    for (let i = 0; i < STREAMS; i++) {
      const connection = this.#open(mover, true);
      const request = { authority: "192.0.2.1:1", headers: [["forwarded", "for=192.0.2.1"]] as const };
      connection.awaiting = { t: "answer", target: request };
      client.connect(request, (answer) => {
        if (!answer.ok) return this.#end(answer.error.message);
        connection.carry(connection.sides[0]!, answer.value); // it was opened with this side
        if (++open === STREAMS) this.#exchange();
      });
    }
    const plain = this.#open(mover, false);
    const [up, app] = mover.pair(TENANT);
    this.#servers.push(new Application(app, "echo"));
    plain.carry(plain.sides[0]!, up);
  }

  #open(mover: Mover, tunnelled: boolean): OpenConnection {
    const [app, downstream] = mover.pair(TENANT);
    this.#clients.push(new Application(app, (bytes) => this.#answered(bytes)));
    const about = { downstream, judged: null, originalDst: ADDRESS };
    return new OpenConnection(this.#near.context, facts("outbound", tunnelled), about);
  }

  // ---- rounds

  #exchange(): void {
    this.#awaited = this.#clients.length * CHUNK_BYTES;
    for (const client of this.#clients) client.send(this.#chunk);
  }

  #answered(bytes: number): void {
    this.#awaited -= bytes;
    if (this.#awaited !== 0 || this.#over) return;
    this.#moved = 0;
    this.#world.path.defer(() => this.#attempt(() => this.#moves.receive({ t: "next-offer", mode: "first" })));
  }

  /** What the giving and the taking side say, which are one. */
  #heard(message: FromThread): void {
    if (this.#over) return;
    this.#attempt(() => {
      switch (message.t) {
        case "offer":
          return this.#moves.receive({ ...message, t: "prepare", id: message.key });
        case "prepared":
          if (message.error !== null) return this.#end(message.error);
          this.#moves.receive({ t: "offer-outcome", key: message.id, outcome: "given" });
          return this.#moves.receive({ t: "run", id: message.id });
        case "moved":
          if (++this.#moved < BUNDLES) return this.#moves.receive({ t: "next-offer", mode: "more" });
          return this.#next();
        case "no-offer":
          return this.#end("nothing can be moved");
      }
    });
  }

  #next(): void {
    const late = this.#world.path.nowMs() - this.#startedMs > MAX_MS;
    if (++this.#round === ROUNDS || late) this.#end(null);
    else this.#exchange();
  }

  #attempt(run: () => void): void {
    try {
      run();
    } catch (fault) {
      this.#end(String(fault));
    }
  }

  #end(problem: string | null): void {
    if (this.#over) return;
    this.#over = true;
    for (const app of [...this.#clients, ...this.#servers]) app.abort();
    for (const { context, tunnels } of [this.#near, this.#far]) {
      context.stop();
      tunnels.stop();
    }
    this.#done(problem);
  }
}

/** What the pods of a thread share, with nobody to hear of it. */
function quiet({ path, config }: RehearsalWorld, fault: (fault: unknown) => void): ThreadContext {
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
    fault,
    random: () => 0,
    randomHex: (bytes) => "00".repeat(bytes),
    baggage: buildBaggage,
  };
}

function served(thread: ThreadContext, name: string): ServedPod {
  const info = { uid: `rehearsal-${name}`, name, namespace: "rehearsal", serviceAccount: "rehearsal" };
  const context = new PodContext(thread, info, -1);
  return { context, tunnels: new PodTunnels(context) };
}
