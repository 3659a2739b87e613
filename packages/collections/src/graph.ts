import { Code, MeshError } from "@lateen/errors";
import { type Change, type Collection, type Fetch, type Index, type IndexOf, Store, StoreIndex } from "./collection.ts";
import { equal } from "./equal.ts";

/** A collection whose entries are put from outside. */
export interface Source<T> extends Collection<T> {
  /** Puts an entry within `Graph.update`; undefined removes it. An equal value changes nothing. */
  set(key: string, value: T | undefined): void;
}

/** Derives the outputs of one input: none, or several under keys that no other input uses. */
export type DeriveMany<I, O> = (value: I, fetch: Fetch, key: string) => Iterable<readonly [key: string, value: O]>;

/** What debugging shows of one derived input. */
export interface Derivation {
  readonly input: string;
  readonly outputs: readonly string[];
  readonly reads: readonly string[];
}

interface Node {
  readonly store: Store<unknown>;
  /** Computes anew what the changes of this step touch. @returns the changes of its own */
  run(changed: ReadonlyMap<Store<unknown>, readonly Change<unknown>[]>): readonly Change<unknown>[];
  describe(): readonly Derivation[];
}

/**
 * Collections and how they follow from each other. Changes come in steps: all sources first, then each derived collection once,
 * in the order of their making, which is an order of dependence; nobody sees half a step. Work is in proportion to what read a
 * change, and equal outputs go no further.
 */
export class Graph {
  readonly #nodes: Node[] = [];
  readonly #stores = new Set<unknown>();
  /** Changes of sources in the present step; null outside of one. */
  #step: Map<Store<unknown>, Map<string, Change<unknown>>> | null = null;
  #telling = false;

  source<T>(name: string): Source<T> {
    const store = new Store<T>(name);
    this.#stores.add(store);
    const source = store as Store<T> & { set?: Source<T>["set"] };
    return Object.assign(source, { set: (key: string, value: T | undefined) => this.#set(store, key, value) });
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
  deriveMany<I, O>(
    name: string,
    input: Collection<I>,
    many: DeriveMany<I, O>,
    onError: (key: string, error: unknown) => void = rethrow,
  ): Collection<O> {
    const node = new Derived<I, O>(name, this.#own(input), many, { onError, own: (c) => this.#own(c) });
    this.#stores.add(node.store);
    this.#nodes.push(node as unknown as Node);
    node.start();
    return node.store;
  }

  /** All entries of several collections. Of equal keys the collection named first counts. */
  union<T>(name: string, parts: readonly Collection<T>[]): Collection<T> {
    const node = new Union<T>(
      name,
      parts.map((part) => this.#own(part)),
    );
    this.#stores.add(node.store);
    this.#nodes.push(node as unknown as Node);
    return node.store;
  }

  /** Entries that follow from a collection as a whole; computed anew at each of its changes. */
  summary<I, O>(
    name: string,
    of: Collection<I>,
    make: (all: readonly I[]) => Iterable<readonly [key: string, value: O]>,
  ): Collection<O> {
    const once = this.source<true>(`${name} once`);
    this.update(() => once.set("", true));
    return this.deriveMany<true, O>(name, once, (_, fetch) => make(fetch.all(of)));
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
   * @throws MeshError BUG inside another step or from a listener
   */
  update(change: () => void): void {
    if (this.#step !== null || this.#telling) throw new MeshError(Code.Bug, "Cannot update: a step is in progress");
    this.#step = new Map();
    let changed: Map<Store<unknown>, readonly Change<unknown>[]>;
    try {
      change();
    } finally {
      changed = new Map([...this.#step].map(([store, byKey]) => [store, inOrder(byKey.values())]));
      this.#step = null;
    }
    for (const node of this.#nodes) {
      const own = node.run(changed);
      if (own.length > 0) changed.set(node.store, own);
    }
    this.#telling = true;
    try {
      for (const [store, changes] of changed) store.tell(changes);
    } finally {
      this.#telling = false;
    }
  }

  /** For every derived collection: inputs, what came of them and what they read. */
  describe(): ReadonlyMap<string, readonly Derivation[]> {
    return new Map(this.#nodes.map((node) => [node.store.name, node.describe()]));
  }

  #set<T>(store: Store<T>, key: string, value: T | undefined): void {
    if (this.#step === null) throw new MeshError(Code.Bug, `Cannot set ${store.name}: only within an update`);
    if (equal(store.get(key), value)) return;
    const before = store.put(key, value);
    const changes = this.#step.get(store as Store<unknown>) ?? new Map<string, Change<unknown>>();
    this.#step.set(store as Store<unknown>, changes);
    const first = changes.get(key);
    changes.set(key, { key, before: first === undefined ? before : first.before, after: value });
  }

  #own<T>(collection: Collection<T>): Store<T> {
    if (this.#stores.has(collection)) return collection as Store<T>;
    throw new MeshError(Code.Bug, `Cannot use ${collection.name}: it belongs to another graph`);
  }
}

function rethrow(_key: string, error: unknown): never {
  throw error;
}

const inOrder = <T>(changes: Iterable<Change<T>>): readonly Change<T>[] =>
  [...changes].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));

/** One thing that a derivation looked at; equal texts are the same thing. */
const readKey = (store: string, what: "key" | "all" | `by ${string}`, name = ""): string => `${store} ${what} ${name}`;

interface Entry {
  readonly outputs: readonly string[];
  readonly reads: ReadonlySet<string>;
}

class Derived<I, O> {
  readonly store: Store<O>;
  readonly #input: Store<I>;
  readonly #many: DeriveMany<I, O>;
  readonly #o: {
    readonly onError: (key: string, error: unknown) => void;
    readonly own: <T>(c: Collection<T>) => Store<T>;
  };
  readonly #entries = new Map<string, Entry>();
  /** What was read to the inputs that read it. */
  readonly #readers = new Map<string, Set<string>>();
  readonly #owner = new Map<string, string>();

  constructor(
    name: string,
    input: Store<I>,
    many: DeriveMany<I, O>,
    o: { readonly onError: (key: string, error: unknown) => void; readonly own: <T>(c: Collection<T>) => Store<T> },
  ) {
    this.store = new Store<O>(name);
    this.#input = input;
    this.#many = many;
    this.#o = o;
  }

  start(): void {
    for (const [key] of this.#input.entries()) this.#compute(key, new Map());
  }

  run(changed: ReadonlyMap<Store<unknown>, readonly Change<unknown>[]>): readonly Change<O>[] {
    const dirty = new Set((changed.get(this.#input as Store<unknown>) ?? []).map((c) => c.key));
    for (const [store, changes] of changed)
      for (const read of touched(store, changes)) for (const key of this.#readers.get(read) ?? []) dirty.add(key);
    const changes = new Map<string, Change<O>>();
    for (const key of [...dirty].sort()) this.#compute(key, changes);
    return inOrder([...changes.values()].filter((c) => !equal(c.before, c.after)));
  }

  describe(): readonly Derivation[] {
    return [...this.#entries]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([input, { outputs, reads }]) => ({ input, outputs, reads: [...reads].sort() }));
  }

  #compute(key: string, changes: Map<string, Change<O>>): void {
    const value = this.#input.get(key);
    const reads = new Set<string>();
    let outputs: ReadonlyMap<string, O> = new Map();
    if (value !== undefined) {
      try {
        outputs = new Map(this.#many(value, this.#fetch(reads), key));
      } catch (error) {
        this.#remember(key, { outputs: this.#entries.get(key)?.outputs ?? [], reads });
        return this.#o.onError(key, error);
      }
    }
    const before = this.#entries.get(key)?.outputs ?? [];
    for (const gone of before) if (!outputs.has(gone)) this.#put(gone, undefined, changes, key);
    for (const [name, output] of outputs) this.#put(name, output, changes, key);
    this.#remember(key, value === undefined ? null : { outputs: [...outputs.keys()], reads });
  }

  #put(name: string, output: O | undefined, changes: Map<string, Change<O>>, input: string): void {
    const owner = this.#owner.get(name);
    if (owner !== undefined && owner !== input) {
      if (output === undefined) return;
      throw new MeshError(Code.Bug, `Cannot derive ${this.store.name}: "${owner}" and "${input}" both give "${name}"`);
    }
    if (output === undefined) this.#owner.delete(name);
    else this.#owner.set(name, input);
    if (equal(this.store.get(name), output)) return;
    const before = this.store.put(name, output);
    const first = changes.get(name);
    changes.set(name, { key: name, before: first === undefined ? before : first.before, after: output });
  }

  #remember(key: string, entry: Entry | null): void {
    for (const read of this.#entries.get(key)?.reads ?? []) {
      const readers = this.#readers.get(read);
      readers?.delete(key);
      if (readers?.size === 0) this.#readers.delete(read);
    }
    if (entry === null) {
      this.#entries.delete(key);
      return;
    }
    this.#entries.set(key, entry);
    for (const read of entry.reads) {
      const readers = this.#readers.get(read);
      if (readers) readers.add(key);
      else this.#readers.set(read, new Set([key]));
    }
  }

  #fetch(reads: Set<string>): Fetch {
    const own = this.#o.own;
    const fetch = <T>(from: Collection<T>, key: string): T | undefined => {
      reads.add(readKey(own(from).name, "key", key));
      return from.get(key);
    };
    return Object.assign(fetch, {
      by: <T>(index: Index<T>, name: string): readonly T[] => {
        reads.add(readKey(own(index.of).name, `by ${index.name}`, name));
        return index.lookup(name);
      },
      all: <T>(from: Collection<T>): readonly T[] => {
        reads.add(readKey(own(from).name, "all"));
        return from.values();
      },
    });
  }
}

class Union<T> {
  readonly store: Store<T>;
  readonly #parts: readonly Store<T>[];

  constructor(name: string, parts: readonly Store<T>[]) {
    this.store = new Store<T>(name);
    this.#parts = parts;
    for (const part of parts) for (const [key] of part.entries()) this.store.put(key, this.#find(key));
  }

  run(changed: ReadonlyMap<Store<unknown>, readonly Change<unknown>[]>): readonly Change<T>[] {
    const keys = new Set(this.#parts.flatMap((part) => changed.get(part as Store<unknown>) ?? []).map((c) => c.key));
    const changes = [...keys].map((key): Change<T> => {
      const after = this.#find(key);
      return { key, before: this.store.put(key, after), after };
    });
    return inOrder(changes.filter((c) => !equal(c.before, c.after)));
  }

  describe(): readonly Derivation[] {
    return this.store.entries().map(([key]) => ({ input: key, outputs: [key], reads: [] }));
  }

  #find(key: string): T | undefined {
    for (const part of this.#parts) {
      const value = part.get(key);
      if (value !== undefined) return value;
    }
    return undefined;
  }
}

/** Everything that a reader may have looked at and that these changes touch. */
function touched(store: Store<unknown>, changes: readonly Change<unknown>[]): ReadonlySet<string> {
  const reads = new Set([readKey(store.name, "all")]);
  for (const { key, before, after } of changes) {
    reads.add(readKey(store.name, "key", key));
    for (const index of store.indexes.values())
      for (const value of [before, after])
        if (value !== undefined)
          for (const name of index.indexOf(value, key)) reads.add(readKey(store.name, `by ${index.name}`, name));
  }
  return reads;
}
