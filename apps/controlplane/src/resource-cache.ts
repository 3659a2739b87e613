import type { ResourceIndex } from "@lateen/xds";

/** One resource as it goes over the wire. */
export interface CachedResource {
  /** Content hash: equal bodies have equal versions, so that a reconnect costs what changed. */
  readonly version: string;
  readonly body: Uint8Array;
}

type Listener = (typeUrl: string, names: ReadonlySet<string>) => void;

/** The encoded resources of each type. The single source of every xDS stream. */
export class ResourceCache {
  readonly #types = new Map<string, Map<string, CachedResource>>();
  readonly #listeners = new Set<Listener>();
  readonly #hash: (body: Uint8Array) => string;

  /** @param hash a short text that is equal exactly for equal bytes */
  constructor(hash: (body: Uint8Array) => string) {
    this.#hash = hash;
  }

  index(typeUrl: string): ResourceIndex {
    return this.#type(typeUrl);
  }

  get(typeUrl: string, name: string): CachedResource | undefined {
    return this.#types.get(typeUrl)?.get(name);
  }

  /** Puts a batch; null removes. Listeners hear once, of those names whose content really changed. */
  update(typeUrl: string, changes: ReadonlyMap<string, Uint8Array | null>): void {
    const there = this.#type(typeUrl);
    const changed = new Set<string>();
    for (const [name, body] of changes) {
      const version = body === null ? null : this.#hash(body);
      if ((there.get(name)?.version ?? null) === version) continue;
      if (body === null || version === null) there.delete(name);
      else there.set(name, { version, body });
      changed.add(name);
    }
    if (changed.size > 0) for (const listener of this.#listeners) listener(typeUrl, changed);
  }

  onChange(listener: Listener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  #type(typeUrl: string): Map<string, CachedResource> {
    let there = this.#types.get(typeUrl);
    if (!there) this.#types.set(typeUrl, (there = new Map()));
    return there;
  }
}
