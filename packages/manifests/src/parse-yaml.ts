import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { readYaml } from "./yaml-documents.ts";

/**
 * The value of one YAML document, of which JSON is a part; null for an empty text. For settings: bounded in time and space as
 * manifests are.
 * @returns BAD_INPUT with every fault and its line
 */
export function parseYaml(text: string): Result<unknown> {
  const { documents, faults } = readYaml(text);
  const all = [...faults, ...documents.flatMap((d) => d.faults)];
  if (documents.length > 1) all.push({ line: 1, column: 1, path: "", message: "has more than one document" });
  if (all.length === 0) return ok(documents[0]?.value ?? null);
  const lines = all.map((f) => `line ${f.line}: ${f.path === "" ? "" : `${f.path} `}${f.message}`);
  return fail(new MeshError(Code.BadInput, `Cannot parse YAML: ${lines.join("; ")}`));
}
