import type { Derivation, Node } from "./derived.ts";
import type { Store } from "./store.ts";

/** All entries of several collections. Of equal keys the collection named first counts. */
export class Union<T> implements Node {
  readonly dirty = new Set<string>();
  readonly #store: Store<T>;
  readonly #parts: readonly Store<T>[];

  constructor(store: Store<T>, parts: readonly Store<T>[]) {
    this.#store = store;
    this.#parts = parts;
    for (const part of parts) {
      part.dependents.add(this);
      for (const key of part.keys()) this.dirty.add(key);
    }
  }

  get store(): Store<unknown> {
    return this.#store as Store<unknown>;
  }

  run(): void {
    const keys = [...this.dirty].sort();
    this.dirty.clear();
    for (const key of keys) this.#store.put(key, this.#find(key));
  }

  *derivations(): Iterable<Derivation> {
    for (const [key] of this.#store.entries()) yield { input: key, outputs: [key], reads: [] };
  }

  #find(key: string): T | undefined {
    for (const part of this.#parts) {
      const value = part.get(key);
      if (value !== undefined) return value;
    }
    return undefined;
  }
}
