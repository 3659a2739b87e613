import { type CustomKind, customKinds } from "@lateen/resources";
import { format } from "prettier";
import { stringify } from "yaml";
import { definitionOf } from "./definition.ts";

const HEAD = "# Generated from packages/resources. Do not edit: run `npm run generate` there.\n";

/** Output file name to YAML, one file for each kind. Writes nothing. */
export async function generateCrds(): Promise<ReadonlyMap<string, string>> {
  const out = new Map<string, string>();
  for (const [kind, custom] of Object.entries<CustomKind>(customKinds)) {
    // No anchors: several versions have one schema, and a reader of the file wants each whole.
    const yaml = stringify(definitionOf(kind, custom), { aliasDuplicateObjects: false, lineWidth: 0 });
    const text = await format(`${HEAD}${yaml}`, { parser: "yaml", printWidth: 120 });
    out.set(`${custom.plural}.${custom.group}.generated.yaml`, text);
  }
  return out;
}
