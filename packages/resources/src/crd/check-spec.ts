import type { z } from "zod";
import type { FieldProblem } from "../field-problem.ts";
import { type Path, plainCopy } from "../plain-copy.ts";
import { schemaProblems } from "../schema-problems.ts";
import { type CustomKindName, type CustomSpecs, customKinds } from "./custom-kinds.ts";

type Checked<T> =
  { readonly ok: true; readonly spec: T } | { readonly ok: false; readonly problems: readonly FieldProblem[] };

/**
 * A spec by the schema and the rules of its kind, as the API server checks it. Fields that are null count as absent; entries of
 * maps must not be null.
 * @param raw undefined for an object without a spec
 */
export function checkSpec<K extends CustomKindName>(kind: K, raw: unknown): Checked<CustomSpecs[K]> {
  const { spec: schema, needsSpec } = customKinds[kind];
  if (raw === undefined || raw === null) {
    if (needsSpec) return { ok: false, problems: [{ path: [], message: "is missing" }] };
    return check<CustomSpecs[K]>(schema, {});
  }
  return check<CustomSpecs[K]>(schema, raw);
}

function check<T>(schema: z.ZodType, raw: unknown): Checked<T> {
  const copy = plainCopy(raw);
  if (!copy.ok) return { ok: false, problems: [copy.problem] };
  const entries = copy.nulls.filter((path) => isMapEntry(schema, path));
  const parsed = schema.safeParse(copy.value);
  if (parsed.success && entries.length === 0) return { ok: true, spec: parsed.data as T };
  const problems = parsed.success ? [] : schemaProblems(parsed.error, copy.value);
  return { ok: false, problems: [...problems, ...entries.map((path) => ({ path, message: "must not be null" }))] };
}

/** Whether the path ends at an entry of a map, whose names are the user's. */
function isMapEntry(schema: z.core.$ZodType, path: Path): boolean {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  const [step, ...rest] = path;
  switch (def.type) {
    case "optional":
    case "default":
    case "nullable":
      return isMapEntry(def.innerType, path);
    case "record":
      return rest.length === 0 || isMapEntry(def.valueType, rest);
    case "array":
      return isMapEntry(def.element, rest);
    case "object": {
      const field = step !== undefined && Object.hasOwn(def.shape, step) ? def.shape[step] : undefined;
      return field !== undefined && rest.length > 0 && isMapEntry(field, rest);
    }
    default:
      return false;
  }
}
