import type { StreamState } from "./stream-state.ts";

/** Parts of a table at first. A power of two. */
const FIRST_PARTS = 8;

/**
 * The open streams of a connection by number. Numbers are odd or even throughout and mostly rise by two, so they spread evenly by
 * their lower bits. Not a `Map`, which makes old garbage of every stream of a busy connection (see `Roster` of `@lateen/lifecycle`).
 */
export class StreamTable {
  #parts: (StreamState | null)[] = emptyParts(FIRST_PARTS);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): StreamState | undefined {
    for (let s = this.#parts[this.#partOf(id)] ?? null; s !== null; s = s.nextInTable) if (s.id === id) return s;
    return undefined;
  }

  /** No other stream of its number may be in the table. */
  add(s: StreamState): void {
    if (this.#size >= this.#parts.length) this.#grow();
    this.#put(s);
    this.#size += 1;
  }

  /** Idempotent. */
  remove(s: StreamState): void {
    const part = this.#partOf(s.id);
    let before: StreamState | null = null;
    let at = this.#parts[part] ?? null;
    while (at !== null && at !== s) {
      before = at;
      at = at.nextInTable;
    }
    if (at === null) return;
    if (before === null) this.#parts[part] = s.nextInTable;
    else before.nextInTable = s.nextInTable;
    s.nextInTable = null;
    this.#size -= 1;
  }

  clear(): void {
    for (const s of this.all()) s.nextInTable = null;
    this.#parts = emptyParts(FIRST_PARTS);
    this.#size = 0;
  }

  /** In the order of their numbers, which is that of their beginning. A copy. */
  all(): readonly StreamState[] {
    const all: StreamState[] = [];
    for (const first of this.#parts) for (let s = first; s !== null; s = s.nextInTable) all.push(s);
    return all.sort((a, b) => a.id - b.id);
  }

  #partOf(id: number): number {
    return (id >>> 1) & (this.#parts.length - 1);
  }

  #put(s: StreamState): void {
    const part = this.#partOf(s.id);
    s.nextInTable = this.#parts[part] ?? null;
    this.#parts[part] = s;
  }

  #grow(): void {
    const all = this.all();
    this.#parts = emptyParts(2 * this.#parts.length);
    for (const s of all) this.#put(s);
  }
}

const emptyParts = (count: number): (StreamState | null)[] => Array.from({ length: count }, () => null);
