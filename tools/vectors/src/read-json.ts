import type { Json, JsonObject } from "./suite-driver.ts";

/** The readers of this file throw on another type: the case is then a failure that says so. */
export function text(x: Json | undefined): string {
  if (typeof x !== "string") throw new TypeError(`expected a text, got ${JSON.stringify(x)}`);
  return x;
}

/** A list of texts; absent and null are empty. */
export function texts(x: Json | undefined): readonly string[] {
  if (x === null || x === undefined) return [];
  if (!Array.isArray(x)) throw new TypeError(`expected a list, got ${JSON.stringify(x)}`);
  return (x as readonly Json[]).map(text);
}

export function object(x: Json | undefined): JsonObject {
  if (typeof x !== "object" || x === null || Array.isArray(x))
    throw new TypeError(`expected an object, got ${JSON.stringify(x)}`);
  return x as JsonObject;
}
