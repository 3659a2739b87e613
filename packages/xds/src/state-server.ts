import type { DiscoveryRequest } from "@lateen/xds-types";
import { StateWatch } from "./state-watch.ts";
import type { ServerEffect, StreamOptions, TypeState } from "./stream-messages.ts";
import { type StreamInput, StreamWatches } from "./stream-watches.ts";

export type StateInput = StreamInput<DiscoveryRequest>;

/**
 * The server side of state-of-the-world xDS for one stream, after it is known whose it is. A machine as `DeltaServer`, with the
 * same bounds.
 * @see control-plane 1.7
 */
export class StateServer implements Disposable {
  readonly #o: StreamOptions;
  readonly #watches: StreamWatches<DiscoveryRequest, StateWatch>;

  constructor(o: StreamOptions) {
    this.#o = o;
    this.#watches = new StreamWatches(o, {
      open: (context, first: DiscoveryRequest) => new StateWatch(context, first),
      namesOf: (request) => request.resourceNames,
      flush: () => this.#flush(),
    });
  }

  step(input: StateInput): readonly ServerEffect[] {
    return this.#watches.step(input);
  }

  state(): ReadonlyMap<string, TypeState> {
    return this.#watches.state();
  }

  names(): ReadonlyMap<string, readonly string[]> {
    return this.#watches.names();
  }

  /** What is gone is never told, so nothing waits to be. */
  heardGoneAt(): number {
    return Infinity;
  }

  [Symbol.dispose](): void {
    this.#watches[Symbol.dispose]();
  }

  #flush(): readonly ServerEffect[] {
    const effects: ServerEffect[] = [];
    for (const { typeUrl } of this.#o.types) {
      const watch = this.#watches.get(typeUrl);
      const batch = watch?.take() ?? null;
      if (watch === undefined || batch === null) continue;
      effects.push(this.#watches.sending(typeUrl, watch, batch));
    }
    return effects;
  }
}
