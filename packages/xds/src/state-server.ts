import type { DiscoveryRequest } from "@lateen/xds-types";
import { StateWatch } from "./state-watch.ts";
import { NameAccount, describeWatches } from "./name-account.ts";
import { type ServerEffect, type StreamOptions, type TypeState } from "./stream-messages.ts";

export type StateInput =
  | { readonly t: "request"; readonly request: DiscoveryRequest }
  /** Something changed in the tables. */
  | { readonly t: "changed" };

/**
 * The server side of state-of-the-world xDS for one stream, after it is known whose it is. A machine as `DeltaServer`, with the
 * same bounds.
 * @see control-plane 1.7
 */
export class StateServer implements Disposable {
  readonly #o: StreamOptions;
  readonly #watches = new Map<string, StateWatch>();
  readonly #account: NameAccount;

  constructor(o: StreamOptions) {
    this.#o = o;
    this.#account = new NameAccount(o);
  }

  step(input: StateInput): readonly ServerEffect[] {
    return input.t === "request"
      ? this.#request(input.request)
      : this.#account.within(this.#watches, () => this.#flush());
  }

  state(): ReadonlyMap<string, TypeState> {
    return describeWatches(this.#watches);
  }

  names(): ReadonlyMap<string, readonly string[]> {
    return new Map([...this.#watches].map(([url, w]) => [url, w.names]));
  }

  /** What is gone is never told, so nothing waits to be. */
  heardGoneAt(): number {
    return Infinity;
  }

  [Symbol.dispose](): void {
    this.#account[Symbol.dispose]();
    this.#watches.clear();
  }

  #request(request: DiscoveryRequest): readonly ServerEffect[] {
    const { typeUrl, responseNonce: nonce, errorDetail } = request;
    const served = this.#o.types.find((t) => t.typeUrl === typeUrl);
    if (served === undefined) return [{ t: "unknown-type", typeUrl, names: request.resourceNames }];
    const effects: ServerEffect[] = [];
    const watch = this.#watches.get(typeUrl);
    if (watch === undefined) {
      const { scope, scopeKey, shared } = this.#o;
      this.#watches.set(typeUrl, new StateWatch({ served, scope, scopeKey, shared }, request));
    } else if (watch.hear(request) === "stale") return [{ t: "stale", typeUrl }];
    else if (errorDetail !== null) effects.push({ t: "rejected", typeUrl, nonce, message: errorDetail.message });
    else if (nonce !== "") effects.push({ t: "acknowledged", typeUrl, nonce });
    return [...effects, ...this.#account.within(this.#watches, () => this.#flush())];
  }

  #flush(): readonly ServerEffect[] {
    const effects: ServerEffect[] = [];
    for (const { typeUrl } of this.#o.types) {
      const watch = this.#watches.get(typeUrl);
      const batch = watch?.take() ?? null;
      if (watch === undefined || batch === null) continue;
      const sent = this.#o.nonce();
      watch.answers.send(sent);
      effects.push({ t: "send", typeUrl, nonce: sent, batch });
    }
    return effects;
  }
}
