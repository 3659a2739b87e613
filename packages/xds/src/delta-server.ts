import type { DeltaDiscoveryRequest, Node } from "@lateen/xds-types";
import { type ResourceIndex, type TypeState, Watch } from "./watch.ts";

export type ServerInput =
  | { readonly t: "request"; readonly request: DeltaDiscoveryRequest }
  /** Resources of a type changed, came or went; null: any of them may have. */
  | { readonly t: "changed"; readonly typeUrl: string; readonly names: ReadonlySet<string> | null };

export type ServerEffect =
  /** The first request said who the client is. */
  | { readonly t: "identified"; readonly node: Node }
  /** Send a response with these resources, as they are now, and these removals. */
  | {
      readonly t: "send";
      readonly typeUrl: string;
      readonly nonce: string;
      readonly resources: readonly string[];
      readonly removed: readonly string[];
    }
  | { readonly t: "acknowledged"; readonly typeUrl: string; readonly nonce: string }
  /** The client could not take the last response, or part of it. */
  | { readonly t: "rejected"; readonly typeUrl: string; readonly nonce: string; readonly message: string }
  /** A request that changes nothing: of a type we do not serve, or about an old response. */
  | { readonly t: "ignored"; readonly why: string }
  /** End the stream with this gRPC status. */
  | { readonly t: "close"; readonly code: number; readonly message: string };

export interface DeltaServerOptions {
  /** The types that are served, in the order in which changes are pushed. */
  readonly typeUrls: readonly string[];
  /** The resources of a type at the moment of the call. */
  readonly resources: (typeUrl: string) => ResourceIndex;
  /** A text that was never returned before on this stream. */
  readonly nonce: () => string;
  /** Names that one client may subscribe to at a time. */
  readonly maxNames?: number;
}

const INVALID_ARGUMENT = 3;
const RESOURCE_EXHAUSTED = 8;
const DEFAULT_MAX_NAMES = 100_000;

/**
 * The server side of delta xDS for one stream. A machine without I/O: inputs give effects, in order. At most one response
 * of a type is unanswered at a time; what changes meanwhile is merged and sent, as it then is, after the answer. A slow
 * client therefore costs no queue.
 * @see control-plane 1.6
 */
export class DeltaServer {
  readonly #o: DeltaServerOptions;
  readonly #watches = new Map<string, Watch>();
  #identified = false;

  constructor(o: DeltaServerOptions) {
    this.#o = o;
  }

  step(input: ServerInput): readonly ServerEffect[] {
    if (input.t === "request") return this.#request(input.request);
    const watch = this.#watches.get(input.typeUrl);
    if (!watch) return [];
    watch.mark(input.names);
    return this.#flush(input.typeUrl, watch);
  }

  /** What is known about each type's subscription, for debugging. */
  state(): ReadonlyMap<string, TypeState> {
    return new Map([...this.#watches].map(([url, watch]) => [url, watch.state()]));
  }

  #request(request: DeltaDiscoveryRequest): readonly ServerEffect[] {
    const { node } = request;
    if (!this.#identified) {
      if (node === null || node.id === "")
        return [{ t: "close", code: INVALID_ARGUMENT, message: "missing node information" }];
      this.#identified = true;
      return [{ t: "identified", node }, ...this.#identifiedRequest(request)];
    }
    return this.#identifiedRequest(request);
  }

  #identifiedRequest(request: DeltaDiscoveryRequest): readonly ServerEffect[] {
    const { typeUrl } = request;
    if (!this.#o.typeUrls.includes(typeUrl))
      return [{ t: "ignored", why: `type ${typeUrl.slice(0, 200)} is not served` }];
    const watch = this.#watches.get(typeUrl);
    if (!watch) return this.#first(request);
    const heard = watch.hear(request);
    if (heard === "stale")
      return [{ t: "ignored", why: `response ${request.responseNonce.slice(0, 200)} is not the last` }];
    const effects: ServerEffect[] = [];
    const nonce = request.responseNonce;
    if (request.errorDetail !== null)
      effects.push({ t: "rejected", typeUrl, nonce, message: request.errorDetail.message });
    else if (nonce !== "") effects.push({ t: "acknowledged", typeUrl, nonce });
    if (watch.size > this.#maxNames) return [...effects, this.#tooMany(typeUrl)];
    return [...effects, ...this.#flush(typeUrl, watch)];
  }

  #first(request: DeltaDiscoveryRequest): readonly ServerEffect[] {
    const watch = new Watch(request);
    this.#watches.set(request.typeUrl, watch);
    return watch.size > this.#maxNames ? [this.#tooMany(request.typeUrl)] : this.#flush(request.typeUrl, watch);
  }

  get #maxNames(): number {
    return this.#o.maxNames ?? DEFAULT_MAX_NAMES;
  }

  #tooMany(typeUrl: string): ServerEffect {
    return { t: "close", code: RESOURCE_EXHAUSTED, message: `more than ${this.#maxNames} names of ${typeUrl}` };
  }

  #flush(typeUrl: string, watch: Watch): readonly ServerEffect[] {
    const difference = watch.take(this.#o.resources(typeUrl));
    if (difference === null) return [];
    const nonce = this.#o.nonce();
    watch.sent(nonce);
    return [{ t: "send", typeUrl, nonce, ...difference }];
  }
}
