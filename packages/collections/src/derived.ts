import { Code, MeshError } from "@lateen/errors";
import type { Collection, Fetch, Index } from "./collection.ts";
import { type Cell, type Dependent, type Inputs, type Reader, Store, StoreIndex } from "./store.ts";

/** Derives the outputs of one input: none, or several under keys that no other input uses. */
export type DeriveMany<I, O> = (value: I, fetch: Fetch, key: string) => Iterable<readonly [key: string, value: O]>;

/** Hears of an input whose derivation threw; its last good outputs stay. */
export type OnDeriveError = (key: string, error: unknown) => void;

/** What debugging shows of one derived input. */
export interface Derivation {
  readonly input: string;
  readonly outputs: readonly string[];
  readonly reads: readonly Read[];
}
/** Something that was looked at: an entry (`key`), everything (`all`), or a name of the index named. */
export interface Read {
  readonly collection: string;
  readonly by: string;
  readonly name: string;
}

/** A collection that follows from others: what the graph runs, in order, in each step. */
export interface Node extends Dependent {
  readonly store: Store<unknown>;
  run(): void;
  derivations(): Iterable<Derivation>;
}

interface Entry extends Reader {
  outputs: readonly string[];
  reads: readonly Cell[];
}

/** Numbers the computations of a graph, so that a cell knows whether the present one has read it. */
export interface Clock {
  now: number;
}

export interface DerivedOptions<I, O> {
  readonly store: Store<O>;
  readonly inputs: Inputs<I>;
  readonly many: DeriveMany<I, O>;
  readonly onError: OnDeriveError;
  readonly clock: Clock;
}

export class Derived<I, O> implements Node {
  readonly dirty = new Set<string>();
  readonly #o: DerivedOptions<I, O>;
  readonly #entries = new Map<string, Entry>();
  readonly #fetch: Fetch;
  #reads: Cell[] = [];

  constructor(o: DerivedOptions<I, O>) {
    this.#o = o;
    this.#fetch = this.#makeFetch();
    o.inputs.dependents.add(this);
    for (const key of o.inputs.keys()) this.dirty.add(key);
  }

  get store(): Store<unknown> {
    return this.#o.store as Store<unknown>;
  }

  /** First all computations, then what went, then what came: an output may move from one input to another in a step. */
  run(): void {
    if (this.dirty.size === 0) return;
    const keys = [...this.dirty].sort();
    this.dirty.clear();
    const computed = keys.flatMap((key) => {
      const outputs = this.#compute(key);
      return outputs === null ? [] : [{ key, outputs }];
    });
    for (const { key, outputs } of computed)
      for (const gone of this.#entries.get(key)?.outputs ?? [])
        if (!outputs.has(gone)) this.#o.store.put(gone, undefined);
    for (const { key, outputs } of computed) this.#place(key, outputs);
  }

  *derivations(): Iterable<Derivation> {
    for (const { key, outputs, reads } of this.#entries.values())
      yield {
        input: key,
        outputs,
        reads: reads.map((cell) => ({ collection: cell.collection, by: cell.what, name: cell.name })),
      };
  }

  /** @returns null when the derivation threw: then everything stays as it was, but for what has been read */
  #compute(key: string): ReadonlyMap<string, O> | null {
    const value = this.#o.inputs.input(key);
    if (value === undefined) {
      this.#read(this.#entries.get(key), []);
      return this.#entries.has(key) ? new Map() : null;
    }
    this.#o.clock.now += 1;
    this.#reads = [];
    try {
      return new Map(this.#o.many(value, this.#fetch, key));
    } catch (error) {
      this.#o.onError(key, error);
      return null;
    } finally {
      this.#read(this.#entry(key), this.#reads);
    }
  }

  #place(key: string, outputs: ReadonlyMap<string, O>): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const placed: string[] = [];
    for (const [name, output] of outputs) {
      if (this.#o.store.get(name) !== undefined && !entry.outputs.includes(name)) {
        this.#o.onError(key, new MeshError(Code.Bug, `Cannot derive ${this.#o.store.name}: two inputs give "${name}"`));
        continue;
      }
      this.#o.store.put(name, output);
      placed.push(name);
    }
    entry.outputs = placed;
    if (this.#o.inputs.input(key) === undefined) this.#entries.delete(key);
  }

  #entry(key: string): Entry {
    const there = this.#entries.get(key);
    if (there !== undefined) return there;
    const made: Entry = { node: this, key, outputs: [], reads: [] };
    this.#entries.set(key, made);
    return made;
  }

  #read(entry: Entry | undefined, reads: readonly Cell[]): void {
    if (entry === undefined) return;
    const before = entry.reads;
    if (before.length === reads.length && before.every((cell, i) => cell === reads[i])) return;
    for (const cell of reads) cell.readers.add(entry);
    const kept = new Set(reads);
    for (const cell of before) if (!kept.has(cell)) cell.leave(entry);
    entry.reads = reads;
  }

  #note(cell: Cell): void {
    if (cell.seenBy === this.#o.clock.now) return;
    cell.seenBy = this.#o.clock.now;
    this.#reads.push(cell);
  }

  #makeFetch(): Fetch {
    const store = <T>(of: Collection<T>): Store<T> => {
      if (of instanceof Store && of.order < this.#o.store.order) return of as Store<T>;
      throw new MeshError(
        Code.Bug,
        `Cannot read ${of.name} for ${this.#o.store.name}: it has to be made before, in the same graph`,
      );
    };
    const fetch = <T>(from: Collection<T>, key: string): T | undefined => {
      this.#note(store(from).cell(key));
      return from.get(key);
    };
    return Object.assign(fetch, {
      by: <T>(index: Index<T>, name: string): readonly T[] => {
        store(index.of);
        if (index instanceof StoreIndex) this.#note(index.cell(name));
        return index.lookup(name);
      },
      all: <T>(from: Collection<T>): readonly T[] => {
        this.#note(store(from).allCell());
        return from.values();
      },
    });
  }
}
