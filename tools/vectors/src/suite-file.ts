import { readFile, stat } from "node:fs/promises";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import type { Json, JsonObject, SuiteFile, VectorCase } from "./suite-driver.ts";

const MAX_BYTES = 64 * 1024 * 1024;

export interface LoadedSuite {
  readonly file: SuiteFile;
  /** A case without a name or an input stands as the text that says so, in its place. */
  readonly cases: readonly (VectorCase | string)[];
}

/** Reads one suite file. Never throws: what is wrong with the file is the error. */
export async function loadSuite(path: string, suite: string): Promise<Result<LoadedSuite>> {
  try {
    const { size } = await stat(path);
    if (size > MAX_BYTES) return bad(`Cannot use ${path}: ${size} bytes, at most ${MAX_BYTES} are read`);
    return parseSuite(await readFile(path, "utf8"), suite, path);
  } catch (e) {
    return bad(`Cannot read ${path}: ${e instanceof Error ? e.message : String(e)}`);
  }
}

function parseSuite(text: string, suite: string, path: string): Result<LoadedSuite> {
  let raw: Json;
  try {
    raw = JSON.parse(text) as Json;
  } catch (e) {
    return bad(`Cannot parse ${path}: ${e instanceof Error ? e.message : String(e)}`);
  }
  if (!isObject(raw)) return bad(`Cannot use ${path}: the file is not a JSON object`);
  const list = raw["cases"];
  if (!Array.isArray(list)) return bad(`Cannot use ${path}: it has no "cases" array`);
  const cases = (list as readonly Json[]).map((c, i) => parseCase(c, i));
  return ok({ file: { suite, raw }, cases });
}

function parseCase(c: Json, index: number): VectorCase | string {
  if (!isObject(c)) return `cases[${index}] is not an object`;
  const name = c["name"];
  const input = c["input"];
  if (typeof name !== "string") return `cases[${index}] has no name`;
  if (!isObject(input)) return `cases[${index}] (${name.slice(0, 100)}) has no input object`;
  return { name, input, expected: c["expected"] ?? null, raw: c };
}

export function isObject(x: Json | undefined): x is JsonObject {
  return typeof x === "object" && x !== null && !Array.isArray(x);
}

function bad(why: string): Result<never> {
  return fail(new MeshError(Code.BadInput, why));
}
