import type { Change, Collection, Index, IndexOf, Listener } from "./collection.ts";
import { equal } from "./equal.ts";

/** Whoever computes something anew when what it read or is made from has changed. */
export interface Dependent {
  /** Keys of its inputs that have to be computed anew. */
  readonly dirty: Set<string>;
}
/** One input of a dependent: what is told of a change in something it read. */
export interface Reader {
  readonly node: Dependent;
  readonly key: string;
}

/** One thing that can be read: an entry of a collection, a name of an index, or all of a collection. */
export class Cell {
  readonly collection: string;
  /** `key`, `all`, or the name of an index. */
  readonly what: string;
  readonly name: string;
  readonly readers = new Set<Reader>();
  /** The computation that read it last, so that reading twice is noted once. */
  seenBy = 0;
  readonly #drop: () => void;

  constructor(at: { readonly collection: string; readonly what: string; readonly name: string }, drop: () => void) {
    this.collection = at.collection;
    this.what = at.what;
    this.name = at.name;
    this.#drop = drop;
  }

  mark(): void {
    for (const reader of this.readers) reader.node.dirty.add(reader.key);
  }

  leave(reader: Reader): void {
    this.readers.delete(reader);
    if (this.readers.size === 0) this.#drop();
  }
}

/** Where a derivation takes its inputs from: the entries of a store, or the names of an index. */
export interface Inputs<I> {
  /** Derivations to be told of changes. */
  readonly dependents: Set<Dependent>;
  readonly order: number;
  keys(): Iterable<string>;
  input(key: string): I | undefined;
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
  a < b ? -1 : a > b ? 1 : 0;

/** Entries with their indexes, readers and listeners: what source and derived collections share. Changed only by its graph. */
export class Store<T> implements Collection<T>, Inputs<T> {
  readonly name: string;
  /** Readers must be made after what they read; sources come before everything. */
  readonly order: number;
  readonly indexes = new Map<string, StoreIndex<T>>();
  readonly dependents = new Set<Dependent>();
  readonly #entries = new Map<string, T>();
  readonly #listeners = new Set<Listener<T>>();
  readonly #cells = new Map<string, Cell>();
  #all: Cell | null = null;
  #sorted: readonly (readonly [string, T])[] | null = null;
  /** What entries were before the present step, while somebody listens. */
  #before: Map<string, T | undefined> | null = null;

  constructor(name: string, order: number) {
    this.name = name;
    this.order = order;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
    return this.#entries.get(key);
  }

  keys(): Iterable<string> {
    return this.#entries.keys();
  }

  input(key: string): T | undefined {
    return this.#entries.get(key);
  }

  entries(): readonly (readonly [string, T])[] {
    return (this.#sorted ??= [...this.#entries].sort(byKey));
  }

  values(): readonly T[] {
    return this.entries().map(([, value]) => value);
  }

  subscribe(listener: Listener<T>): Disposable {
    this.#listeners.add(listener);
    if (this.size > 0) listener(this.entries().map(([key, after]) => ({ key, before: undefined, after })));
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  cell(key: string): Cell {
    return cellOf(this.#cells, { collection: this.name, what: "key", name: key });
  }

  allCell(): Cell {
    return (this.#all ??= new Cell({ collection: this.name, what: "all", name: "" }, () => (this.#all = null)));
  }

  /** Puts one entry in place and in its indexes, and marks whatever depends on it. An equal value changes nothing. */
  put(key: string, after: T | undefined): void {
    const before = this.#entries.get(key);
    if (equal(before, after)) return;
    if (after === undefined) this.#entries.delete(key);
    else this.#entries.set(key, after);
    this.#sorted = null;
    if (this.#listeners.size > 0) {
      this.#before ??= new Map();
      if (!this.#before.has(key)) this.#before.set(key, before);
    }
    for (const node of this.dependents) node.dirty.add(key);
    this.#cells.get(key)?.mark();
    this.#all?.mark();
    for (const index of this.indexes.values()) index.move(key, before, after);
  }

  /** Tells the net changes of a step. @param onError hears of listeners that throw */
  tell(onError: (error: unknown) => void): void {
    const before = this.#before;
    this.#before = null;
    if (before === null) return;
    const changes: Change<T>[] = [];
    for (const [key, was] of [...before].sort(byKey)) {
      const after = this.#entries.get(key);
      if (!equal(was, after)) changes.push({ key, before: was, after });
    }
    if (changes.length === 0) return;
    for (const listener of [...this.#listeners]) {
      try {
        listener(changes);
      } catch (error) {
        onError(error);
      }
    }
  }
}

interface Filed<T> {
  readonly keys: Set<string>;
  sorted: readonly T[] | null;
}

/** Index names to entries of a store. */
export class StoreIndex<T> implements Index<T>, Inputs<readonly T[]> {
  readonly of: Store<T>;
  readonly name: string;
  readonly order: number;
  readonly dependents = new Set<Dependent>();
  readonly #indexOf: IndexOf<T>;
  readonly #filed = new Map<string, Filed<T>>();
  readonly #cells = new Map<string, Cell>();

  constructor(of: Store<T>, name: string, indexOf: IndexOf<T>) {
    this.of = of;
    this.name = name;
    this.order = of.order;
    this.#indexOf = indexOf;
    for (const [key, value] of of.entries()) this.move(key, undefined, value);
  }

  lookup(name: string): readonly T[] {
    const filed = this.#filed.get(name);
    if (filed === undefined) return [];
    return (filed.sorted ??= [...filed.keys].sort().flatMap((key) => this.of.get(key) ?? []));
  }

  keys(): Iterable<string> {
    return this.#filed.keys();
  }

  input(name: string): readonly T[] | undefined {
    return this.#filed.has(name) ? this.lookup(name) : undefined;
  }

  cell(name: string): Cell {
    return cellOf(this.#cells, { collection: this.of.name, what: this.name, name });
  }

  move(key: string, before: T | undefined, after: T | undefined): void {
    const left = before === undefined ? [] : this.#indexOf(before, key);
    const entered = after === undefined ? [] : this.#indexOf(after, key);
    for (const name of left) {
      const filed = this.#filed.get(name);
      if (filed === undefined) continue;
      filed.keys.delete(key);
      filed.sorted = null;
      if (filed.keys.size === 0) this.#filed.delete(name);
      this.#mark(name);
    }
    for (const name of entered) {
      const filed = this.#filed.get(name);
      if (filed === undefined) this.#filed.set(name, { keys: new Set([key]), sorted: null });
      else {
        filed.keys.add(key);
        filed.sorted = null;
      }
      this.#mark(name);
    }
  }

  #mark(name: string): void {
    for (const node of this.dependents) node.dirty.add(name);
    this.#cells.get(name)?.mark();
  }
}

function cellOf(
  cells: Map<string, Cell>,
  at: { readonly collection: string; readonly what: string; readonly name: string },
): Cell {
  const there = cells.get(at.name);
  if (there !== undefined) return there;
  const made = new Cell(at, () => void cells.delete(at.name));
  cells.set(at.name, made);
  return made;
}
