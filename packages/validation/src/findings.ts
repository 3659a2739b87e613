import { type FieldProblem, atMost } from "@lateen/resources";

/** What a check has to say of an object. */
export interface Review {
  /** With any of these the object is refused. */
  readonly errors: readonly FieldProblem[];
  /** What its author should know; it is taken all the same. */
  readonly warnings: readonly FieldProblem[];
}

type Step = string | number;
/** Enough to count what is not listed. */
const MAX_KEPT = 1_000;

/** Collects what checks find, each at the field that it is about. */
export class Findings {
  readonly #path: readonly Step[];
  readonly #errors: FieldProblem[];
  readonly #warnings: FieldProblem[];

  constructor(path: readonly Step[] = [], errors: FieldProblem[] = [], warnings: FieldProblem[] = []) {
    this.#path = path;
    this.#errors = errors;
    this.#warnings = warnings;
  }

  /** The same findings, at a field below. */
  at(...steps: readonly Step[]): Findings {
    return new Findings([...this.#path, ...steps], this.#errors, this.#warnings);
  }

  error(message: string): void {
    if (this.#errors.length < MAX_KEPT) this.#errors.push({ path: this.#path, message });
  }

  warn(message: string): void {
    if (this.#warnings.length < MAX_KEPT) this.#warnings.push({ path: this.#path, message });
  }

  /** An error when there is something to say. */
  check(problem: string | null): void {
    if (problem !== null) this.error(problem);
  }

  /** An error unless it holds. */
  require(holds: boolean, message: string): void {
    if (!holds) this.error(message);
  }

  take({ errors, warnings }: Review): void {
    for (const { path, message } of errors) this.at(...path).error(message);
    for (const { path, message } of warnings) this.at(...path).warn(message);
  }

  review(): Review {
    return { errors: atMost(this.#errors), warnings: atMost(this.#warnings) };
  }
}

/** A stranger's text within a message: quoted, and not endless. */
export function quoted(text: string): string {
  return JSON.stringify(text.length <= 200 ? text : `${text.slice(0, 200)}…`);
}

/** Calls `each` with every entry and the findings of its place. */
export function forEachOf<T>(
  entries: readonly T[] | undefined,
  f: Findings,
  each: (entry: T, at: Findings, index: number) => void,
): void {
  for (const [i, entry] of (entries ?? []).entries()) each(entry, f.at(i), i);
}
