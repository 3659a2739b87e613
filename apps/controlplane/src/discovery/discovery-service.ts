import { Buffer } from "node:buffer";
import type { ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import type { Caller, Proof } from "@lateen/ca";
import { Code, type Result } from "@lateen/errors";
import { type Clock, sleep } from "@lateen/lifecycle";
import type { Logger } from "@lateen/telemetry";
import {
  type ClientNode,
  NameBudget,
  SharedBatches,
  type StreamOptions,
  missingNode,
  parseClientNode,
} from "@lateen/xds";
import { type GrpcMethod, deltaDiscoveryMethod, stateDiscoveryMethod } from "@lateen/xds-types";
import {
  DiscoveryStream,
  type StreamDeps,
  type StreamLimits,
  type XdsCall,
  type XdsRequest,
  fail,
} from "./discovery-stream.ts";
import { describeCaller } from "./authorization.ts";
import { Outbox } from "./outbox.ts";
import { RateLimit, RateLimits } from "./rate-limit.ts";
import type { ResourceStore } from "./resource-store.ts";
import { PUSH_ORDER, type ServedTypes, scopeOf } from "./served-types.ts";
import { type DebugAnswer, encodeAnswer, isSideType } from "./side-types.ts";
import type { XdsMetrics } from "./xds-metrics.ts";

export interface DiscoveryLimits extends StreamLimits {
  /** Streams at a time; one more is refused. */
  readonly streams: number;
  readonly newStreamsPerSecond: number;
  /** Names that one client, and all together, may have asked for. */
  readonly namesPerClient: number;
  readonly names: number;
  /** Of responses that have not been read. */
  readonly unreadBytes: number;
  /** How long a stream may be silent before it says whose it is. */
  readonly firstRequestMs: number;
}

export interface DiscoveryOptions {
  readonly store: ResourceStore;
  readonly types: ServedTypes;
  /** Says who calls. */
  readonly authenticate: (proof: Proof) => Promise<Result<Caller>>;
  /** Whether the caller may be what it says it is; the error's text is for the client. */
  readonly authorize: (caller: Caller, node: ClientNode) => Result<unknown>;
  readonly limits: DiscoveryLimits;
  readonly metrics: XdsMetrics;
  readonly log: Logger;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Answers questions that are not about configuration. */
  readonly debug: (typeUrl: string, names: readonly string[], caller: Caller) => DebugAnswer;
  /** Says which control plane answers them, as JSON. */
  readonly identifier: string;
  /** Cuts the connection of a peer that does not even take the end of its stream. */
  readonly cut: (peer: string) => void;
}

/** The longest that a new stream waits for its turn. */
const TURN_MS = 1_000;
const TICK_MS = 1_000;
/** A client that does not read is cut this long after it was told the end. */
const CUT_MS = 1_000;
/** Names that are gone are cleared away when there are more than this. */
const MANY_GONE = 1_000;
const HEALTH_TYPE = "type.googleapis.com/istio.v1.HealthInformation";

type Variant = "delta" | "state";
interface Pending {
  readonly call: XdsCall;
  readonly sinceMs: number;
}

/** xDS over gRPC: one machine per stream, fed by the store (control-plane 1.2 to 1.7). */
export class DiscoveryService implements Disposable {
  readonly #o: DiscoveryOptions;
  readonly #streams = new Map<DiscoveryStream, number | null>();
  /** Streams that have not said whose they are. */
  readonly #pending = new Set<Pending>();
  readonly #subscription: Disposable;
  readonly #shared = new SharedBatches();
  readonly #budget: NameBudget;
  readonly #deps: StreamDeps;
  readonly #turns: RateLimit;
  /** One address must not take every turn. */
  readonly #turnsOf: RateLimits;
  readonly #begun: string;
  #tick: Disposable;
  #nonces = 0;
  #ids = 0;

  constructor(o: DiscoveryOptions) {
    this.#o = o;
    const { limits, metrics, log, clock, store } = o;
    this.#begun = new Date(clock.nowMs()).toISOString();
    this.#budget = new NameBudget(limits.names);
    const perSecond = limits.newStreamsPerSecond;
    this.#turns = new RateLimit(clock, { perSecond, maxWaitMs: TURN_MS });
    this.#turnsOf = new RateLimits(() => new RateLimit(clock, { perSecond: perSecond / 2, burst: perSecond }));
    const systemVersion = (): string => `${this.#begun}/${store.version}`;
    this.#deps = { outbox: new Outbox(limits.unreadBytes), metrics, log, nowMs: () => clock.nowMs(), systemVersion };
    this.#subscription = store.onChange(() => {
      for (const stream of this.#streams.keys()) stream.changed();
    });
    this.#tick = clock.after(TICK_MS, () => this.#onTick());
  }

  /** For `Server.addService`. */
  readonly definition: ServiceDefinition = {
    deltaAggregatedResources: this.#method(deltaDiscoveryMethod),
    streamAggregatedResources: this.#method(stateDiscoveryMethod),
  };
  readonly handlers: UntypedServiceImplementation = {
    deltaAggregatedResources: (call: XdsCall) => void this.#admit(call, "delta"),
    streamAggregatedResources: (call: XdsCall) => void this.#admit(call, "state"),
  };

  /** Responses that clients have not read: bytes in buffers, and those that wait for room. */
  get unread(): { readonly bytes: number; readonly waiting: number } {
    const { bytes, waiting } = this.#deps.outbox;
    return { bytes, waiting };
  }
  /** Streams that have not said whose they are. */
  get pendingStreams(): number {
    return this.#pending.size;
  }

  /** Who is connected. */
  get streams(): readonly DiscoveryStream[] {
    return [...this.#streams.keys()];
  }

  [Symbol.dispose](): void {
    this.#tick[Symbol.dispose]();
    this.#subscription[Symbol.dispose]();
    for (const stream of this.#streams.keys()) stream.close(status.OK, "");
    for (const { call } of this.#pending) call.end();
  }

  #method<Q, P>(method: GrpcMethod<Q, P>): ServiceDefinition[string] {
    const { path, requestStream, responseStream, requestDeserialize } = method;
    return {
      ...{ path, requestStream, responseStream },
      requestSerialize: (m: Q) => Buffer.from(method.requestSerialize(m)),
      requestDeserialize: (bytes: Buffer) => {
        this.#o.metrics.received(bytes.length);
        return requestDeserialize(bytes);
      },
      responseSerialize: (m: Uint8Array) => Buffer.from(m.buffer, m.byteOffset, m.byteLength),
      responseDeserialize: method.responseDeserialize,
    };
  }

  /** Nothing of the stream is read before it is known whose it is. */
  async #admit(call: XdsCall, variant: Variant): Promise<void> {
    const { metrics, log, limits, clock } = this.#o;
    const refuse = (code: number, details: string, why: Parameters<XdsMetrics["refused"]>[0]): void => {
      metrics.refused(why);
      fail(call, code, details);
    };
    call.on("error", () => undefined); // whoever waits below sees that it is cancelled
    if (this.#streams.size + this.#pending.size >= limits.streams)
      return refuse(status.RESOURCE_EXHAUSTED, `more than ${limits.streams} streams`, "streams");
    const waitMs = this.#turnsOf.of(addressOf(call)).take() === null ? null : this.#turns.take();
    if (waitMs === null) return refuse(status.RESOURCE_EXHAUSTED, "request rate limit exceeded", "rate");
    const pending: Pending = { call, sinceMs: clock.nowMs() };
    this.#pending.add(pending);
    call.on("cancelled", () => this.#pending.delete(pending));
    try {
      if (waitMs > 0) await sleep(waitMs, { clock });
      const caller = await this.#o.authenticate(proofOf(call));
      if (call.cancelled) return;
      if (caller.ok) return this.#listen(pending, caller.value, variant);
      log.warn("refused a client", { peer: call.getPeer(), error: caller.error.message });
      this.#pending.delete(pending);
      const code = caller.error.code === Code.Unavailable ? status.UNAVAILABLE : status.UNAUTHENTICATED;
      refuse(code, "authentication failure", "unauthenticated");
    } catch (error) {
      this.#pending.delete(pending);
      metrics.internalError();
      log.error("cannot admit a client", { peer: call.getPeer(), error: String(error) });
      fail(call, status.INTERNAL, "internal error");
    }
  }

  /** The first request says what the client is. */
  #listen(pending: Pending, caller: Caller, variant: Variant): void {
    const { call } = pending;
    let stream: DiscoveryStream | null = null;
    const over = (): void => {
      this.#pending.delete(pending);
      if (stream !== null) this.#left(stream);
    };
    call.on("data", (request: XdsRequest) => {
      if (stream?.isOver === true) return;
      if (stream === null) {
        if (request.typeUrl === HEALTH_TYPE && request.node === null) return;
        this.#pending.delete(pending);
        stream = this.#open(request, { call, caller, variant });
        if (stream === null) return void call.removeAllListeners("data");
      }
      const unknown = stream.request(request);
      // An answer to our answer needs none.
      if (unknown !== null && isSideType(unknown.typeUrl) && request.responseNonce === "")
        this.#answer(stream, unknown);
    });
    call.on("end", () => {
      over();
      call.end();
    });
    call.on("error", over);
    call.on("cancelled", over);
  }

  /** @returns null when the stream was refused */
  #open(
    request: XdsRequest,
    from: { readonly call: XdsCall; readonly caller: Caller; readonly variant: Variant },
  ): DiscoveryStream | null {
    const { call, caller } = from;
    const { log, metrics, authorize, types, limits, random } = this.#o;
    const refuse = (code: number, message: string, why: "node" | "unauthorized"): null => {
      log.warn("refused a client", { peer: call.getPeer(), caller: describeCaller(caller), error: message });
      metrics.refused(why);
      fail(call, code, message);
      return null;
    };
    const missing = missingNode(request.node);
    if (missing?.t === "close" || request.node === null)
      return refuse(status.INVALID_ARGUMENT, "missing node information", "node");
    const node = parseClientNode(request.node);
    if (!node.ok) return refuse(status.UNKNOWN, node.error.message, "node");
    const allowed = authorize(caller, node.value);
    if (!allowed.ok)
      return refuse(status.PERMISSION_DENIED, `authorization failed: ${allowed.error.message}`, "unauthorized");
    const scope = scopeOf(node.value);
    const options: StreamOptions = {
      ...{ types: types.for(node.value), order: PUSH_ORDER, scope, scopeKey: scope.key },
      ...{ shared: this.#shared, budget: this.#budget, maxNames: limits.namesPerClient },
      nonce: () => this.#nonce(),
    };
    const id = `${node.value.pod}-${++this.#ids}`;
    const stream = new DiscoveryStream({ ...from, id, node: node.value }, options, this.#deps);
    // A tenth more or less, so that clients that came together do not come back together.
    this.#streams.set(stream, limits.ageMs === null ? null : limits.ageMs * (0.9 + 0.2 * random()));
    metrics.joined(node.value.istioVersion || "unknown");
    log.info("client joined", { client: id, node: node.value.id, caller: describeCaller(caller) });
    return stream;
  }

  #answer(
    stream: DiscoveryStream,
    { typeUrl, names }: { readonly typeUrl: string; readonly names: readonly string[] },
  ): void {
    const { debug, identifier } = this.#o;
    const answer = debug(typeUrl, names, stream.caller);
    if (answer.t === "end") return stream.close(answer.code, answer.message);
    const { variant } = stream;
    stream.call.write(encodeAnswer(answer, { variant, typeUrl, identifier, nonce: this.#nonce() }));
  }

  #nonce(): string {
    return `${this.#begun}/${(++this.#nonces).toString(36)}`;
  }

  #left(stream: DiscoveryStream): void {
    if (!this.#streams.delete(stream)) return;
    stream.over();
    this.#o.metrics.left(stream.node.istioVersion || "unknown");
    this.#o.log.info("client left", { client: stream.id });
  }

  #onTick(): void {
    const { clock, limits, log } = this.#o;
    for (const [stream, ageMs] of this.#streams) {
      const end = stream.overdue(limits, ageMs);
      if (end === null) continue;
      if (end.code !== status.OK) log.warn("ended a client", { client: stream.id, why: end.message });
      stream.close(end.code, end.message);
      this.#left(stream);
      if (end.code !== status.OK) clock.after(CUT_MS, () => this.#cut(stream.call));
    }
    for (const { call, sinceMs } of this.#pending)
      if (clock.nowMs() - sinceMs > limits.firstRequestMs) {
        fail(call, status.DEADLINE_EXCEEDED, `no request for ${limits.firstRequestMs} ms`);
        this.#o.metrics.refused("node");
      }
    this.#clearGone();
    this.#tick = clock.after(TICK_MS, () => this.#onTick());
  }

  #cut(call: XdsCall): void {
    if (!call.writableFinished || !call.destroyed) this.#o.cut(call.getPeer());
  }

  #clearGone(): void {
    for (const table of [this.#o.store.addresses, this.#o.store.authorizations]) {
      if (table.gone < MANY_GONE) continue;
      let heard = Infinity;
      for (const stream of this.#streams.keys())
        for (const { typeUrl, table: of } of this.#o.types.for(stream.node))
          if (of === table) heard = Math.min(heard, stream.heardGoneAt(typeUrl));
      table.forgetGone(heard);
    }
  }
}

/** Of the peer, without its port. */
const addressOf = (call: XdsCall): string => call.getPeer().replace(/:\d+$/, "");

function proofOf(call: XdsCall): Proof {
  return {
    authorization: call.metadata.get("authorization").map(String),
    clusters: call.metadata.get("clusterid").map(String),
    // Shown by the library only when TLS verified it against our roots.
    certificate: call.getAuthContext().sslPeerCertificate?.raw ?? null,
  };
}
