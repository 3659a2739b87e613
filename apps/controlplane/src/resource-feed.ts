import type { Change, Collection } from "@lateen/collections";
import type { MeshModel } from "@lateen/translation";
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  encodeAuthorization,
  encodeService,
  encodeWorkload,
} from "@lateen/xds-types";
import type { ResourceCache } from "./resource-cache.ts";

type Bodies = Map<string, Uint8Array | null>;

/** Encodes what the model tells and puts it into the cache, one batch per step of the graph. */
export class ResourceFeed implements Disposable {
  readonly #cache: ResourceCache;
  readonly #onError: (name: string, error: unknown) => void;
  readonly #addresses: Bodies = new Map();
  readonly #authorizations: Bodies = new Map();
  readonly #subscriptions: readonly Disposable[];

  /** @param onError a resource that cannot be encoded keeps its last good form */
  constructor(model: MeshModel, cache: ResourceCache, onError: (name: string, error: unknown) => void) {
    this.#cache = cache;
    this.#onError = onError;
    this.#subscriptions = [
      this.#collect(model.workloads, encodeWorkload, this.#addresses),
      this.#collect(model.services, encodeService, this.#addresses),
      this.#collect(model.authorizations, encodeAuthorization, this.#authorizations),
    ];
  }

  /**
   * Hands on what has been collected. A proxy skips policies that it does not know, so they come before the workloads that name
   * them and go after these.
   */
  flush(): void {
    const [come, go] = split(this.#authorizations);
    const addresses = new Map(this.#addresses);
    this.#authorizations.clear();
    this.#addresses.clear();
    this.#cache.update(AUTHORIZATION_TYPE, come);
    this.#cache.update(ADDRESS_TYPE, addresses);
    this.#cache.update(AUTHORIZATION_TYPE, go);
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
  }

  #collect<T>(from: Collection<T>, encode: (value: T) => Uint8Array, into: Bodies): Disposable {
    return from.subscribe((changes: readonly Change<T>[]) => {
      for (const { key, after } of changes) {
        try {
          into.set(key, after === undefined ? null : encode(after));
        } catch (error) {
          this.#onError(key, error);
        }
      }
    });
  }
}

function split(bodies: Bodies): readonly [Bodies, Bodies] {
  const entries = [...bodies];
  return [new Map(entries.filter(([, body]) => body !== null)), new Map(entries.filter(([, body]) => body === null))];
}
