import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** The most that one message of ours lists; a resource can hold any number of mistakes. */
const MAX_LISTED = 20;

/** Collects everything that is wrong with one resource, each with the path of the field. */
export class Problems {
  readonly #listed: string[] = [];
  #count = 0;

  add(path: string, what: string): void {
    this.#count++;
    if (this.#listed.length < MAX_LISTED) this.#listed.push(`${path}: ${what}`);
  }

  /** The value if nothing was wrong with it. */
  result<T>(value: T): Result<T> {
    if (this.#count === 0) return ok(value);
    const more = this.#count > this.#listed.length ? `; and ${this.#count - this.#listed.length} more` : "";
    return fail(new MeshError(Code.BadInput, this.#listed.join("; ") + more, { problems: this.#count }));
  }

  /** The name of an enum's number; an unknown number is a problem, and the first name stands in. */
  enumName<N extends string>(path: string, names: readonly [N, ...N[]], value: number): N {
    const name = names[value];
    if (name !== undefined) return name;
    this.add(path, `${value} is not a known value`);
    return names[0];
  }

  /** A port or 0. */
  port(path: string, value: number): number {
    if (value > 65_535) this.add(path, `${value} is not a port`);
    return value;
  }
}
