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

/** A collection whose entries are put from outside. */
export interface Source<T> extends Collection<T> {
  /** Puts an entry within `Graph.update`; undefined removes it. An equal value changes nothing. */
  set(key: string, value: T | undefined): void;
}

/** A way to find entries of one collection by something other than their key. */
export interface Index<T> {
  readonly of: Collection<T>;
  readonly name: string;
  /** Values under that name, by key. Not to be changed. */
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
