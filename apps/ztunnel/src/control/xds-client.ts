import { Buffer } from "node:buffer";
import { type ClientDuplexStream, Client, Metadata, type ServiceError } from "@grpc/grpc-js";
import { type SecureChannel, normalRoots, readRootPem, readToken, secureChannel } from "@lateen/ca";
import type { Logger } from "@lateen/telemetry";
import type { Authorization } from "@lateen/policy";
import type { AddressUpdate, Service, Workload } from "@lateen/workload-model";
import { type ClientEffect, type ClientInput, DeltaClient, type Rejection, type StreamEnd } from "@lateen/xds";
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  type Node,
  PROXY_CONFIG_TYPE,
  type Resource,
  decodeAddress,
  decodeAuthorization,
  decodeTrustBundle,
  deltaDiscoveryMethod,
} from "@lateen/xds-types";

/** Where the control plane is and how we prove who we are. */
export interface XdsEndpoint {
  /** `https://host:port`. */
  readonly address: string;
  /** As `readRootPem` takes it; read for each stream. */
  readonly rootCa: string;
  /** As `readToken` takes it; read for each stream, no header when the file is missing. */
  readonly token: string;
  readonly clusterId: string;
  /** Further headers of each stream. */
  readonly headers: Readonly<Record<string, string>>;
  readonly alternativeHostname: string | null;
  /** Our own certificate for mutual TLS, null while there is none. */
  readonly clientCertificate: () => { readonly keyPem: string; readonly chainPem: string } | null;
}

/** What the client tells the rest of the control thread. */
export interface XdsEvents {
  readonly addresses: (update: AddressUpdate) => void;
  readonly authorizations: (upserted: readonly Authorization[], removed: readonly string[]) => void;
  /** The roots to trust, one per element; what carries them out says so by `bundleSettled`. Null: none are told any more. */
  readonly trustBundle: (roots: readonly string[] | null) => void;
  /** Every type had a response that was accepted whole. */
  readonly ready: () => void;
  readonly terminated: (reason: "ConnectionError" | "Error" | "Reconnect" | "Complete") => void;
}

const MAX_MESSAGE_BYTES = 200 * 1024 * 1024;
const CHANNEL_OPTIONS = {
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  "grpc.enable_retries": 0,
  // Each stream gets a channel of its own, so that certificate and root are the newest.
  "grpc.use_local_subchannel_pool": 1,
};

type Stream = ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

/** Keeps one delta stream to the control plane and applies what it says (dataplane 8.4). */
export class XdsClient implements Disposable {
  readonly #endpoint: XdsEndpoint;
  readonly #events: XdsEvents;
  readonly #log: Logger;
  readonly #machine: DeltaClient;
  #stream: { readonly client: Client; readonly call: Stream } | null = null;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(node: Node, endpoint: XdsEndpoint, events: XdsEvents, log: Logger) {
    this.#endpoint = endpoint;
    this.#events = events;
    this.#log = log;
    this.#machine = new DeltaClient(node, [ADDRESS_TYPE, AUTHORIZATION_TYPE], [PROXY_CONFIG_TYPE]);
  }

  start(): void {
    this.#connect(0);
  }

  /** The bundle that was told last is in force everywhere: this is what its acknowledgement means (control-plane 1.5). */
  bundleSettled(): void {
    if (!this.#stopped) this.#input({ t: "settled", typeUrl: PROXY_CONFIG_TYPE });
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#stream?.call.cancel();
    this.#stream?.client.close();
  }

  #connect(afterMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => this.#open(), afterMs);
  }

  #open(): void {
    try {
      const channel = this.#channel();
      const client = new Client(channel.target, channel.credentials, { ...CHANNEL_OPTIONS, ...channel.options });
      const { path, requestSerialize, responseDeserialize } = deltaDiscoveryMethod;
      const call = client.makeBidiStreamRequest(
        path,
        (request: DeltaDiscoveryRequest) => Buffer.from(requestSerialize(request)),
        responseDeserialize,
        this.#metadata(),
      ) as Stream;
      this.#stream = { client, call };
      call.on("data", (response: DeltaDiscoveryResponse) => this.#input({ t: "response", response }));
      call.on("error", (error: ServiceError) =>
        this.#ended(client, { t: "status", code: error.code, message: error.details }),
      );
      call.on("end", () => this.#ended(client, { t: "complete" }));
      this.#input({ t: "connected" });
    } catch (error) {
      this.#log.warn("cannot reach the control plane", { error: String(error) });
      this.#input({ t: "disconnected", end: { t: "connection-error" }, random: Math.random() });
    }
  }

  #channel(): SecureChannel {
    const { address, rootCa, alternativeHostname, clientCertificate } = this.#endpoint;
    const rootPem = readRootPem(rootCa);
    return secureChannel({ address, rootPem, alternativeHostname, own: clientCertificate() });
  }

  #metadata(): Metadata {
    const { clusterId, headers, token } = this.#endpoint;
    const metadata = new Metadata();
    metadata.set("clusterid", clusterId);
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    try {
      metadata.set("authorization", `Bearer ${readToken(token)}`);
    } catch {
      // Without a token the certificate speaks for us; the server says so if it does not.
    }
    return metadata;
  }

  #ended(client: Client, end: StreamEnd): void {
    if (this.#stream?.client !== client) return;
    this.#stream = null;
    client.close();
    if (this.#stopped) return;
    const reason = end.t === "status" ? "Error" : end.t === "complete" ? "Complete" : "ConnectionError";
    this.#events.terminated(reason);
    if (end.t === "status") this.#log.warn("stream to the control plane ended", { code: end.code, error: end.message });
    this.#input({ t: "disconnected", end, random: Math.random() });
  }

  #input(input: ClientInput): void {
    for (const effect of this.#machine.step(input)) this.#perform(effect);
  }

  #perform(effect: ClientEffect): void {
    switch (effect.t) {
      case "send":
        this.#stream?.call.write(effect.request);
        return;
      case "apply": {
        if (effect.typeUrl === PROXY_CONFIG_TYPE) return this.#takeBundle(effect);
        const rejected = this.#apply(effect);
        for (const { name, reason } of rejected)
          this.#log.error("rejected a resource", { resource: name, error: reason });
        return this.#input({ t: "applied", rejected });
      }
      case "ready":
        return this.#events.ready();
      case "unknown-type":
        return this.#log.warn("ignored a response of a type that was not asked for", { type: effect.typeUrl });
      case "connect":
        return this.#connect(effect.afterMs);
    }
  }

  /** Its acknowledgement follows when it has settled, which may be at once: so it is taken first, then told. */
  #takeBundle({ resources, removed }: Extract<ClientEffect, { t: "apply" }>): void {
    const [resource] = resources;
    const read = resource === undefined ? null : decodeTrustBundle(body(resource));
    const roots = read?.ok === true ? read.value.flatMap(normalRoots) : [];
    const reason = read === null || roots.length > 0 ? null : read.ok ? "it holds no certificate" : read.error.message;
    const rejected = reason === null ? [] : [{ name: resource?.name ?? "", reason }];
    if (reason !== null) this.#log.error("rejected the trust bundle", { error: reason });
    this.#input({ t: "applied", rejected });
    if (roots.length > 0) this.#events.trustBundle(roots);
    else if (removed.length > 0 && resource === undefined) this.#events.trustBundle(null);
  }

  /** Decodes the whole batch first, then applies it in one step; a bad resource rejects only itself. */
  #apply(batch: Extract<ClientEffect, { t: "apply" }>): readonly Rejection[] {
    if (batch.typeUrl === ADDRESS_TYPE) {
      const { update, rejected } = readAddresses(batch.resources, batch.removed);
      this.#events.addresses(update);
      return rejected;
    }
    const { policies, rejected } = readAuthorizations(batch.resources);
    this.#events.authorizations(policies, batch.removed);
    return rejected;
  }
}

const body = (resource: Resource): Uint8Array => resource.resource?.value ?? new Uint8Array(0);

function readAddresses(
  resources: readonly Resource[],
  removed: readonly string[],
): { readonly update: AddressUpdate; readonly rejected: readonly Rejection[] } {
  const workloads: Workload[] = [];
  const services: Service[] = [];
  const rejected: Rejection[] = [];
  for (const resource of resources) {
    const read = decodeAddress(body(resource));
    if (!read.ok) rejected.push({ name: resource.name, reason: read.error.message });
    else if (read.value.t === "workload") workloads.push(read.value.workload);
    else services.push(read.value.service);
  }
  return { update: { workloads, services, removed }, rejected };
}

function readAuthorizations(resources: readonly Resource[]): {
  readonly policies: readonly Authorization[];
  readonly rejected: readonly Rejection[];
} {
  const policies: Authorization[] = [];
  const rejected: Rejection[] = [];
  for (const resource of resources) {
    const read = decodeAuthorization(body(resource));
    if (read.ok) policies.push(read.value);
    else rejected.push({ name: resource.name, reason: read.error.message });
  }
  return { policies, rejected };
}
