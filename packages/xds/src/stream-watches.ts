import type { WatchContext } from "./delta-watch.ts";
import { type Counted, NameAccount } from "./name-account.ts";
import type { ResourceBatch } from "./resource-batch.ts";
import type { ServerEffect, StreamOptions, TypeState } from "./stream-messages.ts";

export type StreamInput<Request> =
  | { readonly t: "request"; readonly request: Request }
  /** Something changed in the tables. */
  | { readonly t: "changed" };

/** What requests say in either variant of xDS. */
interface AnyRequest {
  readonly typeUrl: string;
  readonly responseNonce: string;
  readonly errorDetail: { readonly message: string } | null;
}

/** One type on one stream. */
interface Watch<Request> extends Counted {
  /** Takes a later request. */
  hear(request: Request): "stale" | "heard";
}

/** In what the variants of xDS differ. */
interface Variant<Request, W> {
  /** @param first the first request of a type on the stream */
  readonly open: (context: WatchContext, first: Request) => W;
  readonly namesOf: (request: Request) => readonly string[];
  /** What the client must be told now. */
  readonly flush: () => readonly ServerEffect[];
}

/** The subscriptions of one stream, and the part of its machine that is the same in either variant of xDS. */
export class StreamWatches<Request extends AnyRequest, W extends Watch<Request>> implements Disposable {
  readonly #o: StreamOptions;
  readonly #variant: Variant<Request, W>;
  readonly #watches = new Map<string, W>();
  readonly #account: NameAccount;

  constructor(o: StreamOptions, variant: Variant<Request, W>) {
    this.#o = o;
    this.#variant = variant;
    this.#account = new NameAccount(o);
  }

  step(input: StreamInput<Request>): readonly ServerEffect[] {
    return input.t === "request" ? this.#request(input.request) : this.#flush();
  }

  get(typeUrl: string): W | undefined {
    return this.#watches.get(typeUrl);
  }

  /** Of a batch that leaves now. */
  sending(typeUrl: string, watch: W, batch: ResourceBatch): ServerEffect {
    const nonce = this.#o.nonce();
    watch.answers.send(nonce);
    return { t: "send", typeUrl, nonce, batch };
  }

  /** What is known about each type's subscription, for debugging. */
  state(): ReadonlyMap<string, TypeState> {
    return new Map([...this.#watches].map(([typeUrl, watch]) => [typeUrl, describeWatch(watch)]));
  }

  /** The names of each subscription. */
  names(): ReadonlyMap<string, readonly string[]> {
    return new Map([...this.#watches].map(([typeUrl, watch]) => [typeUrl, watch.names]));
  }

  /** Gives the names back. */
  [Symbol.dispose](): void {
    this.#account[Symbol.dispose]();
    this.#watches.clear();
  }

  #request(request: Request): readonly ServerEffect[] {
    const { typeUrl, responseNonce: nonce, errorDetail } = request;
    const served = this.#o.types.find((t) => t.typeUrl === typeUrl);
    if (served === undefined) return [{ t: "unknown-type", typeUrl, names: this.#variant.namesOf(request) }];
    const effects: ServerEffect[] = [];
    const watch = this.#watches.get(typeUrl);
    if (watch === undefined) {
      const { scope, scopeKey, shared } = this.#o;
      this.#watches.set(typeUrl, this.#variant.open({ served, scope, scopeKey, shared }, request));
    } else if (watch.hear(request) === "stale") return [{ t: "stale", typeUrl }];
    else if (errorDetail !== null) effects.push({ t: "rejected", typeUrl, nonce, message: errorDetail.message });
    else if (nonce !== "") effects.push({ t: "acknowledged", typeUrl, nonce });
    return [...effects, ...this.#flush()];
  }

  #flush(): readonly ServerEffect[] {
    return this.#account.within(this.#watches, this.#variant.flush);
  }
}

function describeWatch({ isWildcard, names, sentCount, answers }: Counted): TypeState {
  return {
    wildcard: isWildcard,
    names: isWildcard ? 0 : names.length,
    resources: sentCount,
    nonceSent: answers.sent,
    nonceAcked: answers.acknowledged,
    awaiting: answers.isAwaiting,
    lastError: answers.lastError,
  };
}
