import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { parseResource } from "@lateen/resources";
import type { Manifest } from "./parse-manifests.ts";

/** Manifests as text, to be kept for a later run or read by another program. */
export function formatKept(manifests: Iterable<Manifest>): string {
  return JSON.stringify([...manifests]);
}

/**
 * Reads what `formatKept` wrote, and validates it again: the schemas may have changed since.
 * @returns BAD_INPUT when any of it is not a valid manifest
 */
export function parseKept(text: string): Result<readonly Manifest[]> {
  try {
    const list: unknown = JSON.parse(text);
    if (!Array.isArray(list)) return unreadable("it is no list");
    return ok(list.map(manifestOf));
  } catch (e) {
    return unreadable(e instanceof Error ? e.message : String(e), e);
  }
}

function manifestOf(value: unknown, index: number): Manifest {
  const { file, line, resource } = (value ?? {}) as Readonly<Record<string, unknown>>;
  const parsed = parseResource(resource);
  if (typeof file !== "string" || !Number.isInteger(line) || parsed.t !== "resource")
    throw new Error(`entry ${index} is no valid manifest`);
  return { file, line: Number(line), resource: parsed.resource };
}

function unreadable(why: string, cause?: unknown): Result<never> {
  return fail(new MeshError(Code.BadInput, `Cannot read kept manifests: ${why}`, {}, cause));
}
