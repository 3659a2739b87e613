import { Code, MeshError } from "@lateen/errors";
import type { Collection, Fetch, Index, IndexOf, Source } from "./collection.ts";
import { type Clock, type Derivation, type DeriveMany, Derived, type Node, type OnDeriveError } from "./derived.ts";
import { type Inputs, Store, StoreIndex } from "./store.ts";
import { Union } from "./union.ts";

/** Where one entry of a collection comes from. */
export interface Provenance extends Derivation {
  readonly collection: string;
  readonly key: string;
}

export interface GraphOptions {
  /**
   * Hears of derivations and listeners that throw; what they concern keeps its last good outputs and the step goes on.
   * Without it the step goes on as well, and the first error is thrown at its end.
   */
  readonly onError?: (collection: string, key: string, error: unknown) => void;
}

/**
 * Collections and how they follow from each other. Changes come in steps: all sources first, then each derived collection once,
 * in the order of their making, which is an order of dependence; nobody sees half a step. Work is in proportion to what read a
 * change, and equal outputs go no further.
 */
export class Graph {
  readonly #onError: NonNullable<GraphOptions["onError"]> | undefined;
  readonly #nodes: Node[] = [];
  readonly #stores = new Set<Store<unknown>>();
  readonly #names = new Set<string>();
  readonly #clock: Clock = { now: 0 };
  #state: "idle" | "changing" | "deriving" = "idle";
  #failure: { readonly error: unknown } | null = null;

  constructor(o: GraphOptions = {}) {
    this.#onError = o.onError;
  }

  source<T>(name: string): Source<T> {
    const store = this.#store<T>(name, 0);
    const set = (key: string, value: T | undefined): void => {
      if (this.#state !== "changing") throw new MeshError(Code.Bug, `Cannot set ${name}: only within an update`);
      store.put(key, value);
    };
    return Object.assign(store, { set });
  }

  /** One output per input at most, under the input's key; undefined: none. */
  derive<I, O>(
    name: string,
    input: Collection<I>,
    one: (value: I, fetch: Fetch, key: string) => O | undefined,
  ): Collection<O> {
    return this.deriveMany<I, O>(name, input, (value, fetch, key) => {
      const output = one(value, fetch, key);
      return output === undefined ? [] : [[key, output]];
    });
  }

  /**
   * A collection that follows from `input`. The function must be pure: what it reads besides its input it reads through `fetch`.
   * If it throws, the input keeps its last good outputs; `onError` hears of it.
   */
  deriveMany<I, O>(name: string, input: Collection<I>, many: DeriveMany<I, O>, onError?: OnDeriveError): Collection<O> {
    return this.#derived(name, this.#own(input), many, onError);
  }

  /** A collection that follows from the groups of an index: one computation for all values filed under a name. */
  deriveGroups<I, O>(
    name: string,
    groups: Index<I>,
    many: DeriveMany<readonly I[], O>,
    onError?: OnDeriveError,
  ): Collection<O> {
    this.#own(groups.of);
    return this.#derived(name, groups as StoreIndex<I>, many, onError);
  }

  /** All entries of several collections. Of equal keys the collection named first counts. */
  union<T>(name: string, parts: readonly Collection<T>[]): Collection<T> {
    const stores = parts.map((part) => this.#own(part));
    return this.#add(new Union<T>(this.#store<T>(name, this.#nodes.length + 1), stores)) as Store<T>;
  }

  /** One value, under the empty key, that follows from whatever it reads; undefined: none. */
  value<O>(name: string, make: (fetch: Fetch) => O | undefined): Collection<O> {
    const once = this.source<true>(`${name} once`);
    this.update(() => once.set("", true));
    return this.derive<true, O>(name, once, (_, fetch) => make(fetch));
  }

  /** Declares an index of a collection of this graph. */
  index<T>(of: Collection<T>, name: string, indexOf: IndexOf<T>): Index<T> {
    const store = this.#own(of);
    if (store.indexes.has(name)) throw new MeshError(Code.Bug, `Cannot index ${store.name}: it has an index "${name}"`);
    const index = new StoreIndex(store, name, indexOf);
    store.indexes.set(name, index);
    return index;
  }

  /**
   * One step: whatever `change` puts into sources, and all that follows from it, then one call to each listener concerned.
   * @throws MeshError BUG inside another step or from a listener; whatever `change` throws, after what it had put is followed
   */
  update(change: () => void): void {
    if (this.#state !== "idle") throw new MeshError(Code.Bug, "Cannot update: a step is in progress");
    this.#state = "changing";
    this.#failure = null;
    try {
      change();
    } finally {
      this.#state = "deriving";
      this.#follow();
      this.#state = "idle";
    }
    this.#rethrow();
  }

  /** For every derived collection, or the one named: inputs, what came of them and what they read. As large as they are. */
  describe(collection?: string): ReadonlyMap<string, readonly Derivation[]> {
    const nodes = this.#nodes.filter((node) => collection === undefined || node.store.name === collection);
    return new Map(
      nodes.map((node) => [node.store.name, [...node.derivations()].sort((a, b) => (a.input < b.input ? -1 : 1))]),
    );
  }

  /** The input that an entry of a derived collection comes from, its sisters, and what was read for them. */
  provenance(collection: string, key: string): Provenance | undefined {
    for (const node of this.#nodes) {
      if (node.store.name !== collection) continue;
      for (const derivation of node.derivations())
        if (derivation.outputs.includes(key)) return { collection, key, ...derivation };
    }
    return undefined;
  }

  /** Names of all collections with their sizes, in the order of their making. */
  sizes(): ReadonlyMap<string, number> {
    return new Map([...this.#stores].map((store) => [store.name, store.size]));
  }

  #follow(): void {
    for (const node of this.#nodes) node.run();
    for (const store of this.#stores) store.tell((error) => this.#fail(store.name, "", error));
  }

  #fail(collection: string, key: string, error: unknown): void {
    if (this.#onError !== undefined) this.#onError(collection, key, error);
    else this.#failure ??= { error };
  }

  #rethrow(): void {
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure.error;
  }

  #derived<I, O>(
    name: string,
    inputs: Inputs<I>,
    many: DeriveMany<I, O>,
    onError: OnDeriveError = (key, error) => this.#fail(name, key, error),
  ): Store<O> {
    const store = this.#store<O>(name, this.#nodes.length + 1);
    return this.#add(new Derived<I, O>({ store, inputs, many, onError, clock: this.#clock })) as Store<O>;
  }

  #add(node: Node): Store<unknown> {
    this.#nodes.push(node);
    node.run();
    if (this.#state === "idle") this.#rethrow();
    return node.store;
  }

  #store<T>(name: string, order: number): Store<T> {
    if (this.#names.has(name))
      throw new MeshError(Code.Bug, `Cannot make ${name}: the graph has a collection of that name`);
    this.#names.add(name);
    const store = new Store<T>(name, order);
    this.#stores.add(store as Store<unknown>);
    return store;
  }

  #own<T>(collection: Collection<T>): Store<T> {
    if (collection instanceof Store && this.#stores.has(collection)) return collection as Store<T>;
    throw new MeshError(Code.Bug, `Cannot use ${collection.name}: it belongs to another graph`);
  }
}
