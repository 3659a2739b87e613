import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import type { StaticConfig } from "./config.ts";
import { readYaml } from "./read-config.ts";
import { type StaticMesh, parseStaticConfig } from "./static-config.ts";

/**
 * Reads the static configuration, once, at the start; null when there is none.
 * @param readText the content of a file, null when there is none
 * @returns BAD_INPUT when the file is missing or wrong
 */
export async function loadStaticMesh(
  from: StaticConfig | null,
  readText: (path: string) => string | null,
): Promise<Result<StaticMesh | null>> {
  if (from === null) return ok(null);
  const text = from.t === "text" ? from.text : readText(from.path);
  if (text === null)
    return fail(new MeshError(Code.BadInput, `Cannot read static configuration: there is no ${describe(from)}`));
  const document = await readYaml(text);
  return document.ok ? parseStaticConfig(document.value) : document;
}

const describe = (from: StaticConfig): string => (from.t === "file" ? from.path : "LOCAL_XDS");
