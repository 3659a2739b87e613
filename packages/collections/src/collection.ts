/** One entry that came, changed or went. `before` undefined: it came; `after` undefined: it went. */
export interface Change<T> {
  readonly key: string;
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/** Hears the changes of one step, in key order, all at once. The first call replays what is there. */
export type Listener<T> = (changes: readonly Change<T>[]) => void;

/** Names the entries that a value is found under, besides its key. */
export type IndexOf<T> = (value: T, key: string) => readonly string[];

/** A keyed set that changes over time, as its readers see it. */
export interface Collection<T> {
  readonly name: string;
  readonly size: number;
  get(key: string): T | undefined;
  /** Every entry, by key. */
  entries(): readonly (readonly [string, T])[];
  /** Every value, by key. */
  values(): readonly T[];
  subscribe(listener: Listener<T>): Disposable;
}

/** A way to find entries of one collection by something other than their key. */
export interface Index<T> {
  readonly of: Collection<T>;
  readonly name: string;
  /** Values under that name, by key. */
  lookup(name: string): readonly T[];
}

/** Reads other collections while a value is derived; every read is remembered, so that a change finds who looked. */
export interface Fetch {
  <T>(from: Collection<T>, key: string): T | undefined;
  /** All values that the index files under `name`. */
  by<T>(index: Index<T>, name: string): readonly T[];
  /** Everything: any change of the collection computes the reader anew. */
  all<T>(from: Collection<T>): readonly T[];
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
  a < b ? -1 : a > b ? 1 : 0;

/** Entries with their indexes and listeners: what source and derived collections share. Changed only by its graph. */
export class Store<T> implements Collection<T> {
  readonly name: string;
  readonly indexes = new Map<string, StoreIndex<T>>();
  readonly #entries = new Map<string, T>();
  readonly #listeners = new Set<Listener<T>>();
  #sorted: readonly (readonly [string, T])[] | null = null;

  constructor(name: string) {
    this.name = name;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
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

  /** Puts one entry in place and in its indexes. @returns what was there before */
  put(key: string, after: T | undefined): T | undefined {
    const before = this.#entries.get(key);
    if (after === undefined) this.#entries.delete(key);
    else this.#entries.set(key, after);
    this.#sorted = null;
    for (const index of this.indexes.values()) index.move(key, before, after);
    return before;
  }

  tell(changes: readonly Change<T>[]): void {
    if (changes.length === 0) return;
    for (const listener of [...this.#listeners]) listener(changes);
  }
}

/** Index names to keys of a store. */
export class StoreIndex<T> implements Index<T> {
  readonly of: Store<T>;
  readonly name: string;
  readonly indexOf: IndexOf<T>;
  readonly #keys = new Map<string, Set<string>>();

  constructor(of: Store<T>, name: string, indexOf: IndexOf<T>) {
    this.of = of;
    this.name = name;
    this.indexOf = indexOf;
    for (const [key, value] of of.entries()) this.move(key, undefined, value);
  }

  lookup(name: string): readonly T[] {
    const keys = [...(this.#keys.get(name) ?? [])].sort();
    return keys.flatMap((key) => this.of.get(key) ?? []);
  }

  move(key: string, before: T | undefined, after: T | undefined): void {
    for (const name of before === undefined ? [] : this.indexOf(before, key)) {
      const there = this.#keys.get(name);
      there?.delete(key);
      if (there?.size === 0) this.#keys.delete(name);
    }
    for (const name of after === undefined ? [] : this.indexOf(after, key)) {
      const there = this.#keys.get(name);
      if (there) there.add(key);
      else this.#keys.set(name, new Set([key]));
    }
  }
}
