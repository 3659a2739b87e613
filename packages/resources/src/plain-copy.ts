import { type FieldProblem, formatPath } from "./field-problem.ts";

/** What one object may hold at most. As the API server: 1 MiB; the rest keeps checking it cheap. */
export const LIMITS = { bytes: 1 << 20, values: 100_000, depth: 64, problems: 50 } as const;

export type Path = readonly (string | number)[];
type Container = Record<string, unknown> | unknown[];
interface Task {
  readonly from: object;
  readonly to: Container;
  readonly path: Path;
}

export type PlainCopy =
  | {
      readonly ok: true;
      readonly value: unknown;
      /** Where entries were null, as far as `LIMITS.problems` of them. */
      readonly nulls: readonly Path[];
    }
  | { readonly ok: false; readonly problem: FieldProblem };

/**
 * A copy of plain data without the entries of objects that are null, which Kubernetes takes as absent. Bounded by `LIMITS` and
 * iterative, so that neither depth nor shared parts nor cycles cost more than that.
 */
export function plainCopy(raw: unknown): PlainCopy {
  const copier = new Copier();
  const root: unknown[] = [];
  const problem = copier.put(raw, (value) => root.push(value), []) ?? copier.run();
  return problem === null ? { ok: true, value: root[0], nulls: copier.nulls } : { ok: false, problem };
}

class Copier {
  readonly nulls: Path[] = [];
  readonly #tasks: Task[] = [];
  #bytes = 0;
  #values = 0;

  run(): FieldProblem | null {
    for (let task = this.#tasks.pop(); task; task = this.#tasks.pop()) {
      const problem = this.#copy(task);
      if (problem !== null) return problem;
    }
    return null;
  }

  put(value: unknown, set: (value: unknown) => void, path: Path): FieldProblem | null {
    this.#values += 1;
    if (typeof value === "string") this.#bytes += value.length;
    if (this.#bytes > LIMITS.bytes) return tooBig(path, `the object is larger than ${LIMITS.bytes} bytes`);
    if (this.#values > LIMITS.values) return tooBig(path, `the object has more than ${LIMITS.values} values`);
    if (typeof value !== "object" || value === null) {
      if (typeof value === "function" || typeof value === "symbol" || typeof value === "bigint")
        return invalid(path, `${typeof value} is no value of YAML or JSON`);
      set(value);
      return null;
    }
    if (path.length >= LIMITS.depth) return tooBig(path, `the object is nested deeper than ${LIMITS.depth} levels`);
    const to: Container = Array.isArray(value) ? [] : {};
    set(to);
    this.#tasks.push({ from: value, to, path });
    return null;
  }

  #copy({ from, to, path }: Task): FieldProblem | null {
    if (Array.isArray(from) && Array.isArray(to)) {
      for (const [i, item] of from.entries()) {
        const problem = this.put(item, (v) => to.push(v), [...path, i]);
        if (problem !== null) return problem;
      }
      return null;
    }
    const target = to as Record<string, unknown>;
    for (const [key, value] of Object.entries(from)) {
      if (key === "__proto__") return invalid(path, `${JSON.stringify(key)} is not allowed as a name`);
      this.#bytes += key.length;
      if (value === null) {
        if (this.nulls.length < LIMITS.problems) this.nulls.push([...path, key]);
        continue;
      }
      const problem = this.put(value, (v) => (target[key] = v), [...path, key]);
      if (problem !== null) return problem;
    }
    return null;
  }
}

const invalid = (path: Path, message: string): FieldProblem => ({ path, message });

/** Says where without making the report as deep as the data. */
function tooBig(path: Path, message: string): FieldProblem {
  const at = formatPath(path.slice(0, 8));
  return { path: [], message: at === "" ? message : `${message} (at ${at})` };
}
