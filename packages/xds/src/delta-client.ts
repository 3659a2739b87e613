import { Code, MeshError } from "@lateen/errors";
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  type Node,
  type Resource,
  createDeltaDiscoveryRequest,
  createStatus,
} from "@lateen/xds-types";
import { type StreamEnd, Backoff } from "./backoff.ts";

/** A resource of a batch that could not be taken, and why. */
export interface Rejection {
  readonly name: string;
  readonly reason: string;
}

export type ClientInput =
  /** The stream is open. */
  | { readonly t: "connected" }
  | { readonly t: "response"; readonly response: DeltaDiscoveryResponse }
  /** The batch of the last `apply` was decoded and its good resources were applied. */
  | { readonly t: "applied"; readonly rejected: readonly Rejection[] }
  /** The last batch of a late type is in force everywhere. */
  | { readonly t: "settled"; readonly typeUrl: string }
  /** The stream ended, or could not be opened. `random`: uniform in [0, 1). */
  | { readonly t: "disconnected"; readonly end: StreamEnd; readonly random: number };

export type ClientEffect =
  | { readonly t: "send"; readonly request: DeltaDiscoveryRequest }
  /**
   * Decode and apply this batch in one step, then feed `applied`, before any other input. One of a late type is answered when
   * `settled` is fed, later: it counts as accepted only then.
   */
  | {
      readonly t: "apply";
      readonly typeUrl: string;
      readonly resources: readonly Resource[];
      readonly removed: readonly string[];
    }
  /** A response of a type nobody asked for; it was acknowledged and dropped. */
  | { readonly t: "unknown-type"; readonly typeUrl: string }
  /** Every type had a response that was accepted whole. Once in a lifetime. */
  | { readonly t: "ready" }
  /** Open a stream after this pause. */
  | { readonly t: "connect"; readonly afterMs: number };

interface Subscription {
  /** Versions of what was accepted, by name; they outlive the stream. */
  readonly versions: Map<string, string>;
  readonly mode: "prompt" | "late";
  accepted: boolean;
  /** What is to be acknowledged once it has settled. */
  owed: Batch | null;
}

interface Batch {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly resources: readonly Resource[];
  readonly removed: readonly string[];
}

/**
 * The client side of delta xDS: wildcard subscriptions to some types on one stream, resumed by versions after a
 * reconnect. A machine without I/O: inputs give effects, in order.
 * @see dataplane 8.4
 */
export class DeltaClient {
  readonly #node: Node;
  readonly #types: ReadonlyMap<string, Subscription>;
  readonly #backoff = new Backoff();
  #pending: Batch | null = null;
  #ready = false;

  /** @param late further types, which nobody waits for at the start and which are acknowledged when they have settled */
  constructor(node: Node, typeUrls: readonly string[], late: readonly string[] = []) {
    this.#node = node;
    const entry = (mode: Subscription["mode"], url: string): readonly [string, Subscription] => [
      url,
      { versions: new Map(), mode, accepted: mode === "late", owed: null },
    ];
    this.#types = new Map([...typeUrls.map((u) => entry("prompt", u)), ...late.map((u) => entry("late", u))]);
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Types that still wait for their first accepted response. */
  pendingTypes(): readonly string[] {
    return [...this.#types].filter(([, s]) => !s.accepted).map(([url]) => url);
  }

  /** @throws MeshError BUG when a batch is still to be applied and the input is another one */
  step(input: ClientInput): readonly ClientEffect[] {
    switch (input.t) {
      case "connected":
        this.#pending = null;
        return [...this.#types].map(([typeUrl, s]) => this.#subscribe(typeUrl, s));
      case "response":
        return this.#receive(input.response);
      case "applied":
        return this.#acknowledge(input.rejected);
      case "settled":
        return this.#settle(input.typeUrl);
      case "disconnected":
        this.#pending = null;
        for (const subscription of this.#types.values()) subscription.owed = null;
        return [{ t: "connect", afterMs: this.#backoff.after(input.end, input.random) }];
    }
  }

  #subscribe(typeUrl: string, s: Subscription): ClientEffect {
    const request = createDeltaDiscoveryRequest({
      node: this.#node,
      typeUrl,
      // What had settled may have come apart while nobody was there: a late type begins anew.
      initialResourceVersions: s.mode === "late" ? new Map() : new Map(s.versions),
    });
    return { t: "send", request };
  }

  #receive(response: DeltaDiscoveryResponse): readonly ClientEffect[] {
    if (this.#pending !== null)
      throw new MeshError(Code.Bug, "Cannot take a response: the last batch is not applied yet");
    const { typeUrl, nonce, resources, removedResources: removed } = response;
    if (!this.#types.has(typeUrl)) return [{ t: "unknown-type", typeUrl }, acknowledgement(typeUrl, nonce, [])];
    this.#pending = { typeUrl, nonce, resources, removed };
    return [{ t: "apply", typeUrl, resources, removed }];
  }

  #settle(typeUrl: string): readonly ClientEffect[] {
    const subscription = this.#types.get(typeUrl);
    const batch = subscription?.owed ?? null;
    if (subscription === undefined || batch === null) return [];
    accept(subscription, batch, []);
    return [acknowledgement(typeUrl, batch.nonce, [])];
  }

  #acknowledge(rejected: readonly Rejection[]): readonly ClientEffect[] {
    const batch = this.#pending;
    const subscription = batch && this.#types.get(batch.typeUrl);
    if (!batch || !subscription) throw new MeshError(Code.Bug, "Cannot acknowledge: no batch is being applied");
    this.#pending = null;
    if (subscription.mode === "late" && rejected.length === 0 && batch.resources.length > 0) {
      subscription.owed = batch;
      return [];
    }
    const bad = accept(subscription, batch, rejected);
    const ack = acknowledgement(batch.typeUrl, batch.nonce, rejected);
    if (bad.size > 0 || subscription.accepted) return [ack];
    subscription.accepted = true;
    if (this.#ready || this.pendingTypes().length > 0) return [ack];
    this.#ready = true;
    return [ack, { t: "ready" }];
  }
}

/** A rejected resource keeps the version of the value that is still in force, so the server sends it again. */
function accept(to: Subscription, batch: Batch, rejected: readonly Rejection[]): ReadonlySet<string> {
  const bad = new Set(rejected.map((r) => r.name));
  to.owed = null;
  for (const r of batch.resources) if (!bad.has(r.name)) to.versions.set(r.name, r.version);
  for (const name of batch.removed) to.versions.delete(name);
  return bad;
}

/** The most that a refusal says; a bad batch may hold thousands of resources. */
const MAX_REASON = 16_384;

function acknowledgement(typeUrl: string, responseNonce: string, rejected: readonly Rejection[]): ClientEffect {
  const message = rejected.map((r) => `${r.name}: ${r.reason}`).join("; ");
  const errorDetail = rejected.length === 0 ? null : createStatus({ message: message.slice(0, MAX_REASON) });
  return { t: "send", request: createDeltaDiscoveryRequest({ typeUrl, responseNonce, errorDetail }) };
}
