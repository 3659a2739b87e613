import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import {
  Client,
  type ClientDuplexStream,
  Metadata,
  ServerCredentials,
  type StatusObject,
  credentials,
} from "@grpc/grpc-js";
import type { Caller } from "@lateen/ca";
import { ok } from "@lateen/errors";
import { createLogging, createRegistry, renderOpenMetrics } from "@lateen/telemetry";
import { FakeClock, eventually } from "@lateen/testkit";
import { parseResource } from "@lateen/resources";
import { type ModelSettings, keyInKind, modelOptions } from "@lateen/translation";
import {
  ADDRESS_TYPE,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  createDeltaDiscoveryRequest,
  createNode,
  deltaDiscoveryMethod,
} from "@lateen/xds-types";
import { MeshFeed } from "../mesh-feed.ts";
import { type DiscoveryLimits, DiscoveryService } from "./discovery-service.ts";
import { type ConnectionLimits, type GrpcListener, createGrpcServer, listenGrpc } from "./grpc-server.ts";
import { ResourceStore } from "./resource-store.ts";
import { ServedTypes } from "./served-types.ts";
import { createXdsMetrics } from "./xds-metrics.ts";

const CALLER: Caller = {
  name: "spiffe://cluster.local/ns/mesh/sa/ztunnel",
  identity: { trustDomain: "cluster.local", namespace: "mesh", serviceAccount: "ztunnel" },
  pod: null,
  by: "token",
};
const LIMITS: DiscoveryLimits = {
  ...{ streams: 2_000, newStreamsPerSecond: 1e6, namesPerClient: 1_000, names: 10_000, unreadBytes: 1 << 20 },
  ...{ firstRequestMs: 30_000, sendMs: 60_000, answerMs: 300_000, ageMs: null, graceMs: 10_000 },
};
/** Longest that a test waits for an answer. */
const DEADLINE_MS = 20_000;
export const NODE = createNode({ id: "ztunnel~10.0.0.1~zt.mesh~mesh.svc.cluster.local" });

/** As `eventually`, with a deadline for slow machines. */
export const until = <T>(
  condition: () => T | Promise<T>,
  o: { readonly what?: string } = {},
): Promise<NonNullable<T>> => eventually(condition, { ...o, deadlineMs: DEADLINE_MS });

/** Discovery over real gRPC without TLS, with a clock that stands still. */
export class DiscoveryRig implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly store = new ResourceStore((body) => createHash("sha256").update(body).digest("hex"));
  readonly registry = createRegistry();
  readonly lines: string[] = [];
  readonly service: DiscoveryService;
  listener!: GrpcListener;
  readonly #feed: MeshFeed;
  readonly #server = createGrpcServer(null);

  constructor(limits: Partial<DiscoveryLimits> = {}, settings: ModelSettings = {}) {
    const log = createLogging({ write: (line) => this.lines.push(line), nowMicros: () => 0 }).logger("config");
    this.#feed = new MeshFeed(this.store, modelOptions(settings), log);
    this.service = new DiscoveryService({
      store: this.store,
      types: new ServedTypes(this.store, this.#feed.lookup),
      authenticate: () => Promise.resolve(ok(CALLER)),
      authorize: () => ok(null),
      limits: { ...LIMITS, ...limits },
      metrics: createXdsMetrics(this.registry),
      log: createLogging({ write: (line) => this.lines.push(line), nowMicros: () => 0 }).logger("discovery"),
      clock: this.clock,
      random: () => 0.5,
      debug: () => ({ t: "end", code: 12, message: "not here" }),
      identifier: "{}",
      cut: (peer) => this.listener.cut(peer),
    });
    this.#server.addService(this.service.definition, this.service.handlers);
  }

  async listen(limits: Partial<ConnectionLimits> = {}): Promise<this> {
    this.listener = await listenGrpc(this.#server, {
      address: "127.0.0.1:0",
      credentials: ServerCredentials.createInsecure(),
      limits: { connections: 5_000, perSecond: 1e6, burst: 1e6, ...limits },
      clock: this.clock,
      log: createLogging({ write: (line) => this.lines.push(line), nowMicros: () => 0 }).logger("grpc"),
    });
    return this;
  }

  put(resources: Readonly<Record<string, string | null>>): void {
    this.store.put(
      ADDRESS_TYPE,
      Object.entries(resources).map(([name, text]) => [name, text === null ? null : { body: Buffer.from(text) }]),
    );
    this.store.announce();
  }

  /** Puts objects as a cluster would. */
  apply(...objects: readonly object[]): void {
    const changes = objects.map((object) => {
      const parsed = parseResource(object);
      if (parsed.t !== "resource") throw new TypeError(JSON.stringify(parsed));
      return { kind: parsed.resource.kind, key: keyInKind(parsed.resource), after: parsed.resource };
    });
    this.#feed.take({ changes, problems: [] }, () => null);
  }

  client(port = this.listener.port): RawClient {
    return new RawClient(port);
  }

  get metrics(): string {
    return renderOpenMetrics(this.registry.families());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.service[Symbol.dispose]();
    await this.listener[Symbol.asyncDispose]();
  }
}

/** A client of the delta method that does what it is told and nothing else. */
export class RawClient implements Disposable {
  readonly responses: DeltaDiscoveryResponse[] = [];
  status: StatusObject | null = null;
  readonly #client: Client;
  readonly #call: ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

  constructor(port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.max_receive_message_length": -1,
    });
    const { path, requestSerialize, responseDeserialize } = deltaDiscoveryMethod;
    const serialize = (m: DeltaDiscoveryRequest): Buffer => Buffer.from(requestSerialize(m));
    this.#call = this.#client.makeBidiStreamRequest(path, serialize, responseDeserialize, new Metadata());
    this.#call.on("error", () => undefined); // its status says the same
    this.#call.on("status", (status: StatusObject) => (this.status = status));
  }

  /** From now on it reads. */
  read(): this {
    this.#call.on("data", (response: DeltaDiscoveryResponse) => this.responses.push(response));
    return this;
  }

  send(request: Partial<DeltaDiscoveryRequest> = {}): this {
    this.#call.write(createDeltaDiscoveryRequest({ typeUrl: ADDRESS_TYPE, ...request }));
    return this;
  }

  async response(number: number): Promise<DeltaDiscoveryResponse> {
    return until(() => this.responses[number - 1], { what: `response ${number}` });
  }

  async ended(): Promise<readonly [code: number, details: string]> {
    const { code, details } = await until(() => this.status ?? undefined, { what: "the end of the stream" });
    return [code, details];
  }

  [Symbol.dispose](): void {
    this.#call.cancel();
    this.#client.close();
  }
}

/** A connection of which nothing is ever read. */
export async function openSocket(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port });
  socket.on("error", () => undefined);
  await new Promise<void>((resolve) => {
    socket.once("connect", resolve);
    socket.once("close", () => resolve());
  });
  return socket;
}

/**
 * A network between clients and the server.
 * @param o.atMost bytes of the server that are passed on, then its clients are deaf; enough for a connection to stand
 * @param o.from the address from which clients seem to come
 */
export async function passing(
  port: number,
  o: { readonly atMost?: number; readonly from?: string },
): Promise<AsyncDisposable & { readonly port: number }> {
  const sockets: Socket[] = [];
  const proxy = createServer((near) => {
    const far = connect({ host: "127.0.0.1", port, ...(o.from === undefined ? {} : { localAddress: o.from }) });
    sockets.push(near, far);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      // prettier-ignore
      from.on("error", () => undefined);
      from.on("close", () => to.destroy());
    }
    near.pipe(far);
    let heard = 0;
    far.on("data", (chunk: Buffer) => {
      near.write(chunk);
      heard += chunk.length;
      if (heard > (o.atMost ?? Infinity)) far.pause();
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    port: (proxy.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => proxy.close(() => resolve()));
    },
  };
}
