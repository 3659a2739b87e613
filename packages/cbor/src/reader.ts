import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** Problems told in one message; more would not make it clearer. */
const MAX_PROBLEMS = 8;

const EMPTY = new Uint8Array(0);

/**
 * A place in plain data of unknown origin. Reading it as something that it is not notes a problem and gives a harmless value, so
 * that a decoder is written as if everything were right, and every problem is told at once. Keys that nobody reads do not matter.
 */
export class Reader {
  readonly #value: unknown;
  /** Where it is: in what, as which field or item. Only a problem makes a text of it. */
  readonly #in: Reader | null;
  readonly #as: string | number;
  readonly #problems: string[];

  constructor(value: unknown, place: { readonly in: Reader | null; readonly as: string | number }, problems: string[]) {
    this.#value = value;
    this.#in = place.in;
    this.#as = place.as;
    this.#problems = problems;
  }

  get #path(): string {
    const outer = this.#in === null ? "" : this.#in.#path;
    if (typeof this.#as === "number") return `${outer}[${this.#as}]`;
    return outer === "" ? this.#as : `${outer}.${this.#as}`;
  }

  /** A field of a record. One that is not there reads as null. */
  at(key: string): Reader {
    const value = this.#value;
    const place = { in: this, as: key };
    if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array) {
      this.problem("is not a record");
      return new Reader(null, place, []); // told once, not for each of its fields
    }
    return new Reader(
      Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : null,
      place,
      this.#problems,
    );
  }

  problem(what: string): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(`${this.#path || "it"} ${what}`);
  }

  #not<T>(what: string, instead: T): T {
    this.problem(`is not ${what}`);
    return instead;
  }

  int(min: number, max: number): number {
    const v = this.#value;
    return typeof v === "number" && Number.isSafeInteger(v) && v >= min && v <= max
      ? v
      : this.#not(`an integer from ${min} to ${max}`, min);
  }

  /** A number, maybe with a fraction. */
  number(min: number, max: number): number {
    const v = this.#value;
    return typeof v === "number" && v >= min && v <= max ? v : this.#not(`a number from ${min} to ${max}`, min);
  }

  flag(): boolean {
    const v = this.#value;
    return typeof v === "boolean" ? v : this.#not("true or false", false);
  }

  text(maxLength: number): string {
    const v = this.#value;
    return typeof v === "string" && v.length <= maxLength
      ? v
      : this.#not(`a text of at most ${maxLength} characters`, "");
  }

  /** One of a few texts. */
  one<T extends string>(allowed: readonly [T, ...T[]]): T {
    const found = allowed.find((a) => a === this.#value);
    return found ?? this.#not(`one of ${allowed.join(", ")}`, allowed[0]);
  }

  /** A view of what was read. */
  bytes(maxBytes: number): Uint8Array {
    const v = this.#value;
    return v instanceof Uint8Array && v.length <= maxBytes ? v : this.#not(`at most ${maxBytes} bytes`, EMPTY);
  }

  list<T>(maxItems: number, read: (item: Reader) => T): readonly T[] {
    const v = this.#value;
    if (!Array.isArray(v) || v.length > maxItems) return this.#not(`a list of at most ${maxItems}`, []);
    return v.map((item: unknown, i) => read(new Reader(item, { in: this, as: i }, this.#problems)));
  }

  /** Null, or what `read` makes of it. */
  nullable<T>(read: (r: Reader) => T): T | null {
    return this.#value === null ? null : read(this);
  }
}

/**
 * Reads plain data of unknown origin as a `T`.
 * @param what its name in the message
 * @returns BAD_INPUT with every problem and its path; `read` must not throw, and its result counts only without problems
 */
export function readPlain<T>(value: unknown, what: string, read: (r: Reader) => T): Result<T> {
  const problems: string[] = [];
  const result = read(new Reader(value, { in: null, as: "" }, problems));
  if (problems.length === 0) return ok(result);
  return fail(new MeshError(Code.BadInput, `Cannot read ${what}: ${problems.join("; ")}`));
}
