import { type CrdMark, crdMarks } from "@lateen/resources";
import type { z } from "zod";

/** A structural schema of OpenAPI v3, as the API server takes it. */
export type Schema = Readonly<Record<string, unknown>>;

/** Bounds of ours against abuse, which are no part of the API: wider than any that the API has. */
const OUR_BOUNDS = { maxLength: 65_536, maxItems: 10_000 } as const;
const ANY = "x-kubernetes-preserve-unknown-fields";

/**
 * What the API server is told of a zod schema: types, bounds, patterns, enums, required fields and the marked rules. What only a
 * program can check is left out.
 * @throws when the schema uses something that has no structural form
 */
export function structuralSchema(schema: z.core.$ZodType): Schema {
  return withMarks(plainSchema(schema as z.core.$ZodTypes), crdMarks(schema));
}

function plainSchema(schema: z.core.$ZodTypes): Schema {
  const { def } = schema._zod;
  switch (def.type) {
    case "object":
      return objectSchema(def);
    case "record":
      return recordSchema(def);
    case "array":
      return { type: "array", items: structuralSchema(bare(def.element)), ...lengths(def.checks, "Items") };
    case "string":
      return { type: "string", ...lengths(def.checks, "Length"), ...pattern(def.checks) };
    case "enum":
      return { type: "string", enum: Object.values(def.entries) };
    case "boolean":
      return { type: "boolean" };
    case "number":
      return numberSchema(def);
    case "optional":
    case "default":
      return structuralSchema(def.innerType);
    case "nullable":
      return { ...structuralSchema(def.innerType), nullable: true };
    case "unknown":
      return { [ANY]: true };
    default:
      throw new Error(`Cannot write a CustomResourceDefinition: ${def.type} has no structural form`);
  }
}

/** An entry of a list is never null for the API server, even where we pass over one. */
function bare(schema: z.core.$ZodType): z.core.$ZodType {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  return def.type === "nullable" ? def.innerType : schema;
}

/** The API server fills in no defaults: whoever reads the object does. */
const MAY_BE_ABSENT: ReadonlySet<string> = new Set(["optional", "default"]);

function objectSchema(def: z.core.$ZodObjectDef): Schema {
  const fields = Object.entries(def.shape).sort(([a], [b]) => (a < b ? -1 : 1));
  const required = fields.filter(([, field]) => !MAY_BE_ABSENT.has(field._zod.def.type)).map(([name]) => name);
  return {
    type: "object",
    properties: Object.fromEntries(fields.map(([name, field]) => [name, structuralSchema(field)])),
    ...(required.length === 0 ? {} : { required }),
  };
}

function recordSchema(def: z.core.$ZodRecordDef): Schema {
  const values = structuralSchema(def.valueType);
  return values[ANY] === true ? { type: "object", [ANY]: true } : { type: "object", additionalProperties: values };
}

type Checks = readonly z.core.$ZodCheck<never>[] | undefined;
type CheckDef = z.core.$ZodChecks["_zod"]["def"];
const defsOf = (checks: Checks): readonly CheckDef[] => (checks ?? []).map((c) => c._zod.def as CheckDef);

function lengths(checks: Checks, of: "Items" | "Length"): Schema {
  const out: Record<string, number> = {};
  for (const def of defsOf(checks)) {
    if (def.check === "min_length") out[`min${of}`] = def.minimum;
    if (def.check === "max_length") out[`max${of}`] = Math.min(def.maximum, out[`max${of}`] ?? Infinity);
  }
  const max = `max${of}` as const;
  if (out[max] === OUR_BOUNDS[max]) delete out[max];
  return out;
}

function pattern(checks: Checks): Schema {
  for (const def of defsOf(checks))
    if (def.check === "string_format" && def.pattern !== undefined) return { pattern: def.pattern.source };
  return {};
}

const FORMATS: Readonly<Record<string, Schema>> = {
  int32: { type: "integer", format: "int32" },
  uint32: { type: "integer", minimum: 0, maximum: 0xffff_ffff },
  safeint: { type: "integer" },
};

function numberSchema(def: z.core.$ZodNumberDef): Schema {
  const checks = [def as unknown as CheckDef, ...defsOf(def.checks)];
  let out: Schema = { type: "number", format: "double" };
  for (const check of checks) if (check.check === "number_format") out = FORMATS[check.format] ?? out;
  for (const check of checks) {
    if (check.check === "greater_than") out = { ...out, minimum: Number(check.value) };
    if (check.check === "less_than") out = { ...out, maximum: Number(check.value) };
  }
  return out;
}

function withMarks(schema: Schema, marks: readonly CrdMark[]): Schema {
  const rules = marks.flatMap(({ cel }) => (cel === undefined ? [] : [cel]));
  const keywords = Object.assign({}, ...marks.map((m) => m.schema ?? {})) as Schema;
  return { ...schema, ...keywords, ...(rules.length === 0 ? {} : { "x-kubernetes-validations": rules }) };
}
