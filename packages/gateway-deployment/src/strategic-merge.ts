import { type Json, type JsonMap, isList, isMap } from "./json.ts";

/** How the lists of a kind are merged, by path from its root; the steps through list entries are left out. */
export interface MergeRules {
  /** Field that tells entries apart; other lists are replaced as wholes. */
  readonly keys: Readonly<Record<string, string>>;
  /** Maps that are replaced as wholes. */
  readonly replaced?: readonly string[];
}

const DIRECTIVE = "$patch";
const RETAIN_KEYS = "$retainKeys";
const DELETE_FROM_LIST = "$deleteFromPrimitiveList/";
const ORDER = "$setElementOrder/";
/** Deeper than any object of Kubernetes. */
const MAX_DEPTH = 64;

/** A patch that says what cannot be done; the message names the path. */
export class PatchError extends Error {
  override readonly name = "PatchError";
}

/**
 * Kubernetes' strategic merge of a patch onto an object: maps are merged, null removes, lists with a merge key are merged entry by
 * entry, others are replaced; `$patch`, `$retainKeys`, `$deleteFromPrimitiveList` and `$setElementOrder` are heeded.
 * @throws PatchError
 * @see Kubernetes, "Update API Objects in Place Using kubectl patch"
 */
export function strategicMerge(original: JsonMap, patch: JsonMap, rules: MergeRules): JsonMap {
  return mergeMap(original, patch, { path: "", depth: 0, rules });
}

interface At {
  readonly path: string;
  readonly depth: number;
  readonly rules: MergeRules;
}

function into(at: At, key: string): At {
  if (at.depth >= MAX_DEPTH) throw new PatchError(`${at.path}: is nested too deeply`);
  return { ...at, path: at.path === "" ? key : `${at.path}.${key}`, depth: at.depth + 1 };
}

function mergeMap(original: JsonMap, patch: JsonMap, at: At): JsonMap {
  const directive = patch[DIRECTIVE];
  const rest = without(patch, DIRECTIVE);
  if (directive === "replace" || (directive === undefined && at.rules.replaced?.includes(at.path)))
    return discardNulls(rest);
  if (directive === "delete") return {};
  if (directive !== undefined && directive !== "merge")
    throw new PatchError(`${at.path}: ${JSON.stringify(directive)} is no directive`);
  const merged = new Map<string, Json>(Object.entries(retained(original, rest, at)));
  for (const [key, value] of Object.entries(rest)) {
    if (key === RETAIN_KEYS || key.startsWith(ORDER)) continue;
    if (key.startsWith(DELETE_FROM_LIST)) {
      const field = key.slice(DELETE_FROM_LIST.length);
      merged.set(field, withoutEntries(merged.get(field), value));
    } else if (value === null) merged.delete(key);
    else merged.set(key, mergeValue(merged.get(key), value, into(at, key)));
  }
  for (const [key, value] of Object.entries(rest))
    if (key.startsWith(ORDER)) order(merged, key.slice(ORDER.length), value, at);
  return Object.fromEntries(merged);
}

function retained(original: JsonMap, patch: JsonMap, at: At): JsonMap {
  const keys = patch[RETAIN_KEYS];
  if (keys === undefined) return original;
  if (!isList(keys)) throw new PatchError(`${at.path}.${RETAIN_KEYS}: must be a list`);
  return Object.fromEntries(Object.entries(original).filter(([key]) => keys.includes(key)));
}

function mergeValue(original: Json | undefined, patch: Json, at: At): Json {
  if (isMap(patch)) return isMap(original) ? mergeMap(original, patch, at) : discardNulls(patch);
  if (!isList(patch) || !isList(original)) return isList(patch) ? newList(patch) : patch;
  const key = at.rules.keys[at.path];
  return key === undefined ? newList(patch) : mergeList(original, patch, key, at);
}

function mergeList(original: readonly Json[], patch: readonly Json[], key: string, at: At): readonly Json[] {
  if (patch.some((entry) => isMap(entry) && entry[DIRECTIVE] === "replace" && entry[key] === undefined))
    return newList(patch.filter((entry) => !(isMap(entry) && entry[DIRECTIVE] === "replace")));
  const merged = [...original];
  for (const entry of patch) {
    const name = isMap(entry) ? entry[key] : undefined;
    if (!isMap(entry) || name === undefined) throw new PatchError(`${at.path}: an entry has no ${JSON.stringify(key)}`);
    const index = merged.findIndex((other) => isMap(other) && other[key] === name);
    const found = index === -1 ? undefined : merged[index];
    if (entry[DIRECTIVE] === "delete") {
      if (index !== -1) merged.splice(index, 1);
    } else if (isMap(found)) merged[index] = mergeMap(found, entry, { ...at, depth: at.depth + 1 });
    else merged.push(discardNulls(without(entry, DIRECTIVE)));
  }
  return merged;
}

function withoutEntries(list: Json | undefined, gone: Json): Json {
  return isList(list) && isList(gone) ? list.filter((entry) => !gone.includes(entry)) : (list ?? []);
}

/** Entries in the order that the patch wants; others stay behind them. */
function order(merged: Map<string, Json>, field: string, wanted: Json, at: At): void {
  const list = merged.get(field);
  if (!isList(list) || !isList(wanted)) return;
  const key = at.rules.keys[into(at, field).path];
  const nameOf = (entry: Json): Json | undefined => (key !== undefined && isMap(entry) ? entry[key] : entry);
  const names = wanted.map(nameOf);
  const rank = (entry: Json): number => {
    const found = names.findIndex((name) => name === nameOf(entry));
    return found === -1 ? names.length : found;
  };
  merged.set(
    field,
    [...list].sort((a, b) => rank(a) - rank(b)),
  );
}

/** What is new has nothing to be removed from. */
function newList(list: readonly Json[], depth = 0): readonly Json[] {
  return list.flatMap((entry) => (isMap(entry) && entry[DIRECTIVE] === "delete" ? [] : [newValue(entry, depth)]));
}

function newValue(value: Json, depth: number): Json {
  if (depth > MAX_DEPTH) throw new PatchError("is nested too deeply");
  return isMap(value) ? discardNulls(value, depth + 1) : isList(value) ? newList(value, depth + 1) : value;
}

function discardNulls(map: JsonMap, depth = 0): JsonMap {
  return Object.fromEntries(
    Object.entries(map).flatMap(([key, value]) => {
      if (value === null || key === DIRECTIVE || key === RETAIN_KEYS) return [];
      if (key.startsWith(ORDER) || key.startsWith(DELETE_FROM_LIST)) return [];
      return [[key, newValue(value, depth)] as const];
    }),
  );
}

const without = (map: JsonMap, key: string): JsonMap =>
  Object.fromEntries(Object.entries(map).filter(([other]) => other !== key));
