import { Buffer } from "node:buffer";
import type { ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import type { Caller, Proof } from "@lateen/ca";
import { Code, type Result } from "@lateen/errors";
import type { Logger } from "@lateen/telemetry";
import { DeltaServer, type ServerEffect, type TypeState, deltaResponse } from "@lateen/xds";
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  deltaDiscoveryMethod,
} from "@lateen/xds-types";
import type { ResourceCache } from "./resource-cache.ts";

/** Pushed in this order: a workload that names a policy nobody delivered yet would be open. */
const TYPES = [AUTHORIZATION_TYPE, ADDRESS_TYPE];
/** Streams at a time; one more is refused. */
const MAX_STREAMS = 10_000;

type Call = ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

/** Says who calls. */
export type Authenticate = (proof: Proof) => Promise<Result<Caller>>;

interface Stream {
  readonly call: Call;
  readonly caller: string;
  readonly machine: DeltaServer;
  node: string;
}

/** Delta xDS over gRPC: one machine per stream, fed by the cache (control-plane 1.6). */
export class DiscoveryService implements Disposable {
  readonly #cache: ResourceCache;
  readonly #authenticate: Authenticate;
  readonly #log: Logger;
  readonly #streams = new Set<Stream>();
  readonly #subscription: Disposable;
  #nonce = 0;

  constructor(cache: ResourceCache, authenticate: Authenticate, log: Logger) {
    this.#cache = cache;
    this.#authenticate = authenticate;
    this.#log = log;
    this.#subscription = cache.onChange((typeUrl, names) => {
      for (const stream of this.#streams) this.#perform(stream, stream.machine.step({ t: "changed", typeUrl, names }));
    });
  }

  /** For `Server.addService`. */
  readonly definition: ServiceDefinition = {
    deltaAggregatedResources: {
      ...deltaDiscoveryMethod,
      requestSerialize: (m: DeltaDiscoveryRequest) => Buffer.from(deltaDiscoveryMethod.requestSerialize(m)),
      responseSerialize: (m: DeltaDiscoveryResponse) => Buffer.from(deltaDiscoveryMethod.responseSerialize(m)),
    },
  };
  readonly handlers: UntypedServiceImplementation = {
    deltaAggregatedResources: (call: Call) => void this.#admit(call),
  };

  /** Who is connected and what each type's subscription looks like. */
  clients(): readonly {
    readonly node: string;
    readonly caller: string;
    readonly types: Readonly<Record<string, TypeState>>;
  }[] {
    return [...this.#streams].map(({ node, caller, machine }) => ({
      node,
      caller,
      types: Object.fromEntries(machine.state()),
    }));
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
    for (const { call } of this.#streams) call.end();
  }

  /** Nothing of the stream is read before it is known whose it is. */
  async #admit(call: Call): Promise<void> {
    const caller = await this.#authenticate(proofOf(call));
    if (call.cancelled) return;
    if (!caller.ok) {
      this.#log.warn("refused a client", { peer: call.getPeer(), error: caller.error.message });
      const code = caller.error.code === Code.Unavailable ? status.UNAVAILABLE : status.UNAUTHENTICATED;
      return fail(call, code, "authentication failure");
    }
    if (this.#streams.size >= MAX_STREAMS)
      return fail(call, status.RESOURCE_EXHAUSTED, `more than ${MAX_STREAMS} streams`);
    this.#serve(call, caller.value);
  }

  #serve(call: Call, caller: Caller): void {
    const { namespace, serviceAccount } = caller.identity;
    const stream: Stream = {
      call,
      caller: `${namespace}/${serviceAccount} by ${caller.by}`,
      node: "",
      machine: this.#machine(),
    };
    this.#streams.add(stream);
    const over = (): void => {
      if (this.#streams.delete(stream)) this.#log.info("client left", { node: stream.node, caller: stream.caller });
    };
    call.on("data", (request: DeltaDiscoveryRequest) =>
      this.#perform(stream, stream.machine.step({ t: "request", request })),
    );
    call.on("end", () => {
      over();
      call.end();
    });
    call.on("error", over);
    call.on("cancelled", over);
  }

  #machine(): DeltaServer {
    return new DeltaServer({
      typeUrls: TYPES,
      resources: (typeUrl) => this.#cache.index(typeUrl),
      nonce: () => (++this.#nonce).toString(36),
    });
  }

  #perform(stream: Stream, effects: readonly ServerEffect[]): void {
    for (const effect of effects) {
      switch (effect.t) {
        case "identified":
          stream.node = effect.node.id.slice(0, 256);
          this.#log.info("client joined", { node: stream.node, caller: stream.caller });
          break;
        case "send":
          this.#send(stream, effect);
          break;
        case "rejected":
          this.#log.error("client rejected resources", {
            node: stream.node,
            type: effect.typeUrl,
            error: effect.message,
          });
          break;
        case "close":
          fail(stream.call, effect.code, effect.message);
          break;
        case "acknowledged":
        case "ignored":
      }
    }
  }

  #send(stream: Stream, effect: Extract<ServerEffect, { t: "send" }>): void {
    const { typeUrl, nonce, removed } = effect;
    const resources = effect.resources.flatMap((name) => {
      const cached = this.#cache.get(typeUrl, name);
      return cached ? [{ name, ...cached }] : [];
    });
    stream.call.write(deltaResponse({ typeUrl, nonce, systemVersion: "", resources, removed }));
  }
}

function proofOf(call: Call): Proof {
  return {
    authorization: call.metadata.get("authorization").map(String),
    // Shown by the library only when TLS verified it against our roots.
    certificate: call.getAuthContext().sslPeerCertificate?.raw ?? null,
  };
}

function fail(call: Call, code: number, details: string): void {
  call.emit("error", Object.assign(new Error(details), { code, details }));
}
