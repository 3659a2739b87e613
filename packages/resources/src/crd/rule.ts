import type { z } from "zod";

/** What a check says in a CustomResourceDefinition, where the API server makes it before anybody of ours sees the object. */
export interface CrdMark {
  /** A rule of `x-kubernetes-validations` about `self`, with its message. */
  readonly cel?: { readonly rule: string; readonly message: string };
  /** Keywords of the structural schema. */
  readonly schema?: Readonly<Record<string, unknown>>;
}

type Predicate<T> = (value: T) => boolean;
type Marked = { readonly crd?: CrdMark };

/**
 * A check that both sides make: the API server by its CEL rule, we by `holds`. Both say the same of every value, in the same words.
 */
export function rule<T extends z.ZodType>(
  schema: T,
  o: {
    readonly cel: string;
    readonly message: string;
    readonly holds: Predicate<z.output<T>>;
    readonly path?: readonly (string | number)[];
  },
): T {
  const holds: Predicate<z.output<T>> = (value) => o.holds(value);
  const mark: Marked = { crd: { cel: { rule: o.cel, message: o.message } } };
  const where = o.path === undefined ? {} : { path: [...o.path] };
  return schema.refine(Object.assign(holds, mark), { message: o.message, ...where }) as T;
}

/** As `rule`, for what the structural schema says by keywords. */
export function keyword<T extends z.ZodType>(
  schema: T,
  o: {
    readonly schema: Readonly<Record<string, unknown>>;
    readonly message: string;
    readonly holds: Predicate<z.output<T>>;
  },
): T {
  const holds: Predicate<z.output<T>> = (value) => o.holds(value);
  const mark: Marked = { crd: { schema: o.schema } };
  return schema.refine(Object.assign(holds, mark), { message: o.message }) as T;
}

/** What the checks of a schema say in a CustomResourceDefinition; those that only we make say nothing there. */
export function crdMarks(schema: z.core.$ZodType): readonly CrdMark[] {
  return (schema._zod.def.checks ?? []).flatMap((check) => {
    const def = check._zod.def as { readonly fn?: unknown };
    const mark = typeof def.fn === "function" ? (def.fn as Marked).crd : undefined;
    return mark === undefined ? [] : [mark];
  });
}

/** How many of the fields are there. */
export function present(value: object, fields: readonly string[]): number {
  return fields.filter((field) => (value as Readonly<Record<string, unknown>>)[field] !== undefined).length;
}

/** At most one of the fields, as a CEL rule with a message of its own. */
export function onlyOneOf<T extends z.ZodType<object>>(schema: T, fields: readonly string[], message: string): T {
  const cel = `${fields.map((f) => `(has(self.${f}) ? 1 : 0)`).join(" + ")} <= 1`;
  return rule(schema, { cel, message, holds: (value) => present(value, fields) <= 1 });
}

/** At most one of the fields of a `oneof`, as the schema itself has it. */
export function oneof<T extends z.ZodType<object>>(schema: T, fields: readonly string[]): T {
  const each = fields.map((field) => ({ required: [field] }));
  return keyword(schema, {
    schema: { oneOf: [{ not: { anyOf: each } }, ...each] },
    message: `only one of ${fields.join(", ")} can be set`,
    holds: (value) => present(value, fields) <= 1,
  });
}

/** Entries with a name of their own. */
export function keyedBy<T extends z.ZodType<readonly unknown[]>>(schema: T, key: string): T {
  return keyword(schema, {
    schema: { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key] },
    message: `the same ${key} stands twice`,
    holds(entries) {
      const keys = entries.map((entry) => (entry as Readonly<Record<string, unknown>> | null)?.[key]);
      return new Set(keys).size === keys.length;
    },
  });
}
