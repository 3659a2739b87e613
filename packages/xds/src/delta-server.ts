import type { DeltaDiscoveryRequest } from "@lateen/xds-types";
import { DeltaWatch } from "./delta-watch.ts";
import { NameAccount, describeWatches } from "./name-account.ts";
import { type ServerEffect, type StreamOptions, type TypeState, UNAVAILABLE } from "./stream-messages.ts";

export type ServerInput =
  | { readonly t: "request"; readonly request: DeltaDiscoveryRequest }
  /** Something changed in the tables. */
  | { readonly t: "changed" };

/**
 * The server side of delta xDS for one stream, after it is known whose it is. A machine without I/O: inputs give effects, in
 * order. At most one response of a type is unanswered at a time; what changes meanwhile is one change, sent, as it then is, after
 * the answer. A slow client therefore costs no queue.
 * @see control-plane 1.6
 */
export class DeltaServer implements Disposable {
  readonly #o: StreamOptions;
  readonly #watches = new Map<string, DeltaWatch>();
  readonly #account: NameAccount;

  constructor(o: StreamOptions) {
    this.#o = o;
    this.#account = new NameAccount(o);
  }

  step(input: ServerInput): readonly ServerEffect[] {
    return input.t === "request"
      ? this.#request(input.request)
      : this.#account.within(this.#watches, () => this.#flush());
  }

  /** What is known about each type's subscription, for debugging. */
  state(): ReadonlyMap<string, TypeState> {
    return describeWatches(this.#watches);
  }

  /** The names of each subscription. */
  names(): ReadonlyMap<string, readonly string[]> {
    return new Map([...this.#watches].map(([url, w]) => [url, w.names]));
  }

  /** Up to where the client needs no word any more of what went from a table. */
  heardGoneAt(typeUrl: string): number {
    return this.#watches.get(typeUrl)?.heardGoneAt ?? Infinity;
  }

  /** Gives its names back. */
  [Symbol.dispose](): void {
    this.#account[Symbol.dispose]();
    this.#watches.clear();
  }

  #request(request: DeltaDiscoveryRequest): readonly ServerEffect[] {
    const { typeUrl, responseNonce: nonce, errorDetail } = request;
    const served = this.#o.types.find((t) => t.typeUrl === typeUrl);
    if (served === undefined) return [{ t: "unknown-type", typeUrl, names: request.resourceNamesSubscribe }];
    const effects: ServerEffect[] = [];
    const watch = this.#watches.get(typeUrl);
    if (watch === undefined) {
      const { scope, scopeKey, shared } = this.#o;
      this.#watches.set(typeUrl, new DeltaWatch({ served, scope, scopeKey, shared }, request));
    } else if (watch.hear(request) === "stale") return [{ t: "stale", typeUrl }];
    else if (errorDetail !== null) effects.push({ t: "rejected", typeUrl, nonce, message: errorDetail.message });
    else if (nonce !== "") effects.push({ t: "acknowledged", typeUrl, nonce });
    return [...effects, ...this.#account.within(this.#watches, () => this.#flush())];
  }

  #flush(): readonly ServerEffect[] {
    const effects: ServerEffect[] = [];
    const { first, second } = this.#o.order ?? { first: "", second: "" };
    for (const { typeUrl } of this.#o.types) {
      if (typeUrl !== second || this.#isSettled(first)) this.#flushType(typeUrl, effects);
      // What nothing refers to any more may go now.
      if (typeUrl === second) this.#flushType(first, effects);
    }
    return effects;
  }

  /** Whether everything that came or changed was sent. */
  #isSettled(typeUrl: string): boolean {
    return (this.#watches.get(typeUrl)?.settledAt ?? Infinity) === Infinity;
  }

  #flushType(typeUrl: string, effects: ServerEffect[]): void {
    const watch = this.#watches.get(typeUrl);
    if (watch === undefined) return;
    if (watch.isLost) {
      const message = `too far behind in ${typeUrl}: reconnect with the versions of what is there`;
      effects.push({ t: "close", code: UNAVAILABLE, message });
      return;
    }
    const { order, nonce } = this.#o;
    const later = typeUrl === order?.first ? this.#watches.get(order.second) : undefined;
    const batch = watch.take(later?.settledAt ?? Infinity);
    if (batch === null) return;
    const sent = nonce();
    watch.answers.send(sent);
    effects.push({ t: "send", typeUrl, nonce: sent, batch });
  }
}
