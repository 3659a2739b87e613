import type { Unanswered } from "./unanswered.ts";
import { DEFAULT_MAX_NAMES, RESOURCE_EXHAUSTED, type ServerEffect } from "./stream-messages.ts";
import type { NameBudget } from "./served-type.ts";

/** What every watch can say of itself. */
export interface Counted {
  readonly size: number;
  readonly isWildcard: boolean;
  readonly names: readonly string[];
  readonly sentCount: number | null;
  readonly answers: Unanswered;
}

/** The names that one stream keeps, charged to the budget of all. */
export class NameAccount implements Disposable {
  readonly #maxNames: number;
  readonly #budget: NameBudget | null;
  #charged = 0;

  constructor(o: { readonly maxNames?: number; readonly budget?: NameBudget }) {
    this.#maxNames = o.maxNames ?? DEFAULT_MAX_NAMES;
    this.#budget = o.budget ?? null;
  }

  /**
   * Names are charged before what they ask for is made, and after: what was sent is kept too.
   * @param watches all of the stream
   * @returns what `flush` gave, or the end of a stream that keeps too much
   */
  within(watches: ReadonlyMap<string, Counted>, flush: () => readonly ServerEffect[]): readonly ServerEffect[] {
    const before = this.#charge(watches.values());
    if (before !== null) return [before];
    const effects = flush();
    const after = this.#charge(watches.values());
    return after === null ? effects : [after];
  }

  /** Charges what the watches keep now. @returns the end of a stream that keeps too much */
  #charge(watches: Iterable<Counted>): ServerEffect | null {
    let size = 0;
    for (const watch of watches) size += watch.size;
    const close = (message: string): ServerEffect => ({ t: "close", code: RESOURCE_EXHAUSTED, message });
    if (size > this.#maxNames) return close(`it asks for more than ${this.#maxNames} names`);
    const more = size - this.#charged;
    if (more > 0 && this.#budget?.take(more) === false)
      return close(`all clients together ask for more than ${this.#budget.max} names`);
    if (more < 0) this.#budget?.give(-more);
    this.#charged = size;
    return null;
  }

  [Symbol.dispose](): void {
    this.#budget?.give(this.#charged);
    this.#charged = 0;
  }
}
