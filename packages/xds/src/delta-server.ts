import type { DeltaDiscoveryRequest } from "@lateen/xds-types";
import { DeltaWatch } from "./delta-watch.ts";
import { type ServerEffect, type StreamOptions, type TypeState, UNAVAILABLE } from "./stream-messages.ts";
import { type StreamInput, StreamWatches } from "./stream-watches.ts";

export type ServerInput = StreamInput<DeltaDiscoveryRequest>;

/**
 * The server side of delta xDS for one stream, after it is known whose it is. A machine without I/O: inputs give effects, in
 * order. At most one response of a type is unanswered at a time; what changes meanwhile is one change, sent, as it then is, after
 * the answer. A slow client therefore costs no queue.
 * @see control-plane 1.6
 */
export class DeltaServer implements Disposable {
  readonly #o: StreamOptions;
  readonly #watches: StreamWatches<DeltaDiscoveryRequest, DeltaWatch>;

  constructor(o: StreamOptions) {
    this.#o = o;
    this.#watches = new StreamWatches(o, {
      open: (context, first: DeltaDiscoveryRequest) => new DeltaWatch(context, first),
      namesOf: (request) => request.resourceNamesSubscribe,
      flush: () => this.#flush(),
    });
  }

  step(input: ServerInput): readonly ServerEffect[] {
    return this.#watches.step(input);
  }

  /** What is known about each type's subscription, for debugging. */
  state(): ReadonlyMap<string, TypeState> {
    return this.#watches.state();
  }

  /** The names of each subscription. */
  names(): ReadonlyMap<string, readonly string[]> {
    return this.#watches.names();
  }

  /** Up to where the client needs no word any more of what went from a table. */
  heardGoneAt(typeUrl: string): number {
    return this.#watches.get(typeUrl)?.heardGoneAt ?? Infinity;
  }

  /** Gives its names back. */
  [Symbol.dispose](): void {
    this.#watches[Symbol.dispose]();
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
    const { order } = this.#o;
    const later = typeUrl === order?.first ? this.#watches.get(order.second) : undefined;
    const batch = watch.take(later?.settledAt ?? Infinity);
    if (batch === null) return;
    effects.push(this.#watches.sending(typeUrl, watch, batch));
  }
}
