/** What JSON can hold; cases arrive unchecked, so drivers narrow before they use. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** One case of a suite. Every field beyond these three stays reachable through `raw`. */
export interface VectorCase {
  readonly name: string;
  readonly input: JsonObject;
  readonly expected: Json;
  readonly raw: JsonObject;
}

/** A whole suite file: `raw` holds the tables that cases refer to by name (fixtures, policySets, keys …). */
export interface SuiteFile {
  readonly suite: string;
  readonly raw: JsonObject;
}

/** What the product did with one case. `unsupported` means the product (not the driver) cannot do this yet. */
export type Verdict =
  | { readonly t: "passed" }
  | { readonly t: "failed"; readonly got: unknown; readonly why?: string }
  | { readonly t: "unsupported"; readonly why: string };

/**
 * Translates the cases of one suite into calls of the product's public functions, and their results back. It holds no
 * rule of its own: a case is judged by the product. A throw counts as a failure of that case.
 */
export interface SuiteDriver {
  /** The file name without `.json`. */
  readonly suite: string;
  /** The kind of a case, by which parts of a suite can be claimed. Default: `input.op`, else "case". */
  kindOf?(c: VectorCase): string;
  judge(c: VectorCase, file: SuiteFile): Verdict | Promise<Verdict>;
  /** Called once after the last case, for a driver that started something. */
  close?(): Promise<void>;
}

export const passed: Verdict = { t: "passed" };

export function failed(got: unknown, why?: string): Verdict {
  return why === undefined ? { t: "failed", got } : { t: "failed", got, why };
}

export function unsupported(why: string): Verdict {
  return { t: "unsupported", why };
}

/** Passed when `got` equals `expected` as JSON values: key order and absent against undefined do not matter. */
export function compare(got: unknown, expected: unknown): Verdict {
  return sameJson(got, expected) ? passed : failed(got);
}

function sameJson(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b))
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((x, i) => sameJson(x, b[i]));
  const left = present(a);
  const right = present(b);
  return left.size === right.size && [...left].every(([k, v]) => right.has(k) && sameJson(v, right.get(k)));
}

function present(o: object): Map<string, unknown> {
  return new Map(Object.entries(o).filter(([, v]) => v !== undefined));
}
