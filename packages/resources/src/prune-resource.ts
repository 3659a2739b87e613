import type { z } from "zod";
import { type Kind, schemas } from "./parse-resource.ts";

/**
 * What is kept of a value: all of it, what its fields keep, or what each entry keeps. A field that `strict` objects do not know
 * is kept, for the schema to refuse.
 */
type Mask =
  | { readonly t: "all" }
  | { readonly t: "fields"; readonly of: ReadonlyMap<string, Mask>; readonly others: "kept" | "dropped" }
  | { readonly t: "each"; readonly of: Mask }
  | { readonly t: "annotations" };

const ALL: Mask = { t: "all" };

/** What a pod on a cluster needs none of: the kubelet runs it, not we. */
const POD_CONTAINERS: ReadonlySet<string> = new Set([
  ...["image", "command", "args", "workingDir", "env", "readinessProbe"],
]);
/** Domains whose annotations somebody here may read. */
const ANNOTATION_DOMAINS = /^([a-z0-9.-]+\.)?(istio\.io|k8s\.io|kubernetes\.io|lateen\.dev)\//;
/** The whole object once more, written by kubectl. */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

const masks = new Map<Kind, Mask>();

/**
 * A copy of an object without what the schema of its kind does not read, so that a large cluster fits into memory: managed fields,
 * foreign annotations, volumes, environments. Shares parts with `raw`; judges nothing.
 */
export function pruneResource(kind: Kind, raw: unknown): unknown {
  let mask = masks.get(kind);
  if (mask === undefined) {
    mask = maskOf(schemas[kind]);
    if (kind === "Pod") mask = withoutRuntime(mask);
    masks.set(kind, mask);
  }
  return prune(raw, mask, 0);
}

/** Deeper than any schema: what is there is kept as it is. */
const MAX_DEPTH = 32;

function prune(value: unknown, mask: Mask, depth: number): unknown {
  if (mask.t === "all" || typeof value !== "object" || value === null || depth > MAX_DEPTH) return value;
  if (Array.isArray(value)) return mask.t === "each" ? value.map((v) => prune(v, mask.of, depth + 1)) : value;
  const kept: Record<string, unknown> = {};
  for (const [key, entry] of Object.entries(value)) {
    if (key === "__proto__") return value; // the schema refuses it
    if (mask.t === "annotations") {
      if (ANNOTATION_DOMAINS.test(key) && key !== LAST_APPLIED) kept[key] = entry;
      continue;
    }
    const of = mask.t === "each" ? mask.of : (mask.of.get(key) ?? (mask.others === "kept" ? ALL : null));
    if (of !== null) kept[key] = prune(entry, of, depth + 1);
  }
  return kept;
}

/** Reads the mask off a schema. What it does not know how to look into is kept whole. */
function maskOf(schema: z.core.$ZodType): Mask {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case "object": {
      const fields = Object.entries(def.shape).map(([name, field]): [string, Mask] => [
        name,
        name === "annotations" && "ownerReferences" in def.shape ? { t: "annotations" } : maskOf(field),
      ]);
      const strict = def.catchall?._zod.def.type === "never";
      return { t: "fields", of: new Map(fields), others: strict ? "kept" : "dropped" };
    }
    case "array":
      return each(maskOf(def.element));
    case "record":
      return each(maskOf(def.valueType));
    case "optional":
    case "nullable":
    case "default":
    case "prefault":
    case "readonly":
    case "nonoptional":
    case "catch":
      return maskOf(def.innerType);
    default:
      return ALL;
  }
}

const each = (of: Mask): Mask => (of.t === "all" ? ALL : { t: "each", of });

function withoutRuntime(mask: Mask): Mask {
  const edit = (m: Mask | undefined, change: (fields: Map<string, Mask>) => void): Mask => {
    if (m?.t === "each") return { t: "each", of: edit(m.of, change) };
    if (m?.t !== "fields") return m ?? ALL;
    const fields = new Map(m.of);
    change(fields);
    return { ...m, of: fields };
  };
  return edit(mask, (pod) =>
    pod.set(
      "spec",
      edit(pod.get("spec"), (spec) => {
        for (const list of ["containers", "initContainers"])
          spec.set(
            list,
            edit(spec.get(list), (container) => {
              for (const field of POD_CONTAINERS) container.delete(field);
            }),
          );
      }),
    ),
  );
}
