import type { Gateway } from "@lateen/resources";
import { parse } from "yaml";
import { type Json, type JsonMap, isMap, sameJson } from "./json.ts";
import { MERGE_RULES } from "./merge-rules.ts";
import { PLANNED_KINDS, type PlannedKind, type PlannedObject } from "./planned-object.ts";
import { PatchError, strategicMerge } from "./strategic-merge.ts";

/** A ConfigMap whose keys are YAML, each laid over one of the objects. */
export interface Overlay {
  readonly namespace: string;
  readonly name: string;
  readonly data: Readonly<Record<string, string>>;
}

/** Why nothing is made of a Gateway: what its parameters say cannot be done. */
export interface OverlayProblem {
  readonly reason: "InvalidParameters";
  readonly message: string;
}

const KEYS: Readonly<Record<PlannedKind, string>> = {
  ServiceAccount: "serviceAccount",
  Deployment: "deployment",
  Service: "service",
  HorizontalPodAutoscaler: "horizontalPodAutoscaler",
  PodDisruptionBudget: "podDisruptionBudget",
};
const KNOWN: ReadonlySet<string> = new Set(Object.values(KEYS));
/** Made only where somebody says something of them. */
const OPTIONAL: ReadonlySet<PlannedKind> = new Set(["HorizontalPodAutoscaler", "PodDisruptionBudget"]);
/** What overlays may change of `metadata`. */
const FREE_METADATA: ReadonlySet<string> = new Set(["labels", "annotations"]);

const MAX_BYTES = 256 << 10;

/**
 * Which ConfigMap a Gateway's `parametersRef` names; null when it names none.
 * @see control-plane 3.4, step 6
 */
export function parametersOf({ spec }: Gateway): { readonly name: string } | OverlayProblem | null {
  const ref = spec.infrastructure?.parametersRef;
  if (ref === undefined) return null;
  if (ref.kind === "ConfigMap" && ref.group === "") return { name: ref.name };
  return problem(
    `parametersRef names a ${ref.kind} of group ${JSON.stringify(ref.group)}: only a ConfigMap can be used`,
  );
}

const problem = (message: string): OverlayProblem => ({ reason: "InvalidParameters", message });

/** Objects with overlays laid over them, in order; optional ones only where an overlay speaks of them. */
export function applyOverlays(
  objects: readonly PlannedObject[],
  overlays: readonly Overlay[],
): { readonly objects: readonly PlannedObject[] } | OverlayProblem {
  for (const { namespace, name, data } of overlays) {
    const unknown = Object.keys(data).find((key) => !KNOWN.has(key));
    const keys = PLANNED_KINDS.map((kind) => KEYS[kind]).join(", ");
    if (unknown !== undefined)
      return problem(`ConfigMap ${namespace}/${name} has the key ${JSON.stringify(unknown)}: known are ${keys}`);
  }
  const made: PlannedObject[] = [];
  for (const object of objects) {
    const key = KEYS[object.kind];
    const spoken = overlays.filter(({ data }) => Object.hasOwn(data, key));
    if (spoken.length === 0 && OPTIONAL.has(object.kind)) continue;
    let merged = object;
    for (const overlay of spoken) {
      const result = layOver(merged, overlay, key);
      if ("reason" in result) return result;
      merged = result;
    }
    made.push(merged);
  }
  return { objects: made };
}

function layOver(object: PlannedObject, overlay: Overlay, key: string): PlannedObject | OverlayProblem {
  const at = `ConfigMap ${overlay.namespace}/${overlay.name}, ${key}`;
  const patch = readPatch(overlay.data[key] ?? "");
  if (typeof patch === "string") return problem(`${at}: ${patch}`);
  const original = object as unknown as JsonMap;
  try {
    const merged = strategicMerge(original, patch, MERGE_RULES[object.kind]);
    const changed = forbiddenChange(original, merged);
    // What may not change did not, so it is still an object of this kind.
    return changed === null ? (merged as unknown as PlannedObject) : problem(`${at}: must not change ${changed}`);
  } catch (error) {
    if (error instanceof PatchError) return problem(`${at}: ${error.message}`);
    throw error;
  }
}

/** @returns the patch, or why there is none */
function readPatch(text: string): JsonMap | string {
  if (text.length > MAX_BYTES) return `is longer than ${MAX_BYTES} bytes`;
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 100 }) ?? {};
  } catch (error) {
    return `is no YAML: ${String(error).split("\n", 1)[0]!.slice(0, 200)}`;
  }
  // YAML without tags of its own gives what JSON can hold, but for dates, which this parser leaves as texts.
  return isMap(value as Json) ? (value as JsonMap) : "is no map";
}

function forbiddenChange(before: JsonMap, after: JsonMap): string | null {
  for (const field of ["apiVersion", "kind"]) if (!sameJson(before[field], after[field])) return field;
  const [old, now] = [before["metadata"], after["metadata"]];
  if (!isMap(old) || !isMap(now)) return "metadata";
  const fixed = new Set([...Object.keys(old), ...Object.keys(now)].filter((field) => !FREE_METADATA.has(field)));
  for (const field of fixed) if (!sameJson(old[field], now[field])) return `metadata.${field}`;
  for (const field of FREE_METADATA) if (!areTexts(now[field] ?? {})) return `metadata.${field} to what are no texts`;
  return null;
}

const areTexts = (value: Json): boolean => isMap(value) && Object.values(value).every((v) => typeof v === "string");
