import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { format } from "prettier";
import protobuf from "protobufjs";
import { type ProtoFile, emitFile, outputName } from "./emit-file.ts";

function collect(namespace: protobuf.NamespaceBase): (protobuf.Type | protobuf.Enum)[] {
  return namespace.nestedArray.flatMap((o) => {
    if (o instanceof protobuf.Type) return [o, ...collect(o)];
    if (o instanceof protobuf.Enum) return [o];
    return o instanceof protobuf.Namespace ? collect(o) : [];
  });
}

function load(folder: string): readonly ProtoFile[] {
  const root = new protobuf.Root();
  const known = new Set<protobuf.ReflectionObject>();
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(".proto"))
    .sort()
    .map((name) => {
      protobuf.parse(readFileSync(join(folder, name), "utf8"), root, { keepCase: true });
      const types = collect(root).filter((t) => !known.has(t));
      for (const t of types) known.add(t);
      return { name, root, types };
    });
  root.resolveAll();
  return files;
}

/** Output file name to formatted TypeScript, for every `.proto` file of a folder. Writes nothing. */
export async function generate(folder: string): Promise<ReadonlyMap<string, string>> {
  const files = load(folder);
  const owner = new Map(files.flatMap((file) => file.types.map((t) => [t, file] as const)));
  const out = new Map<string, string>();
  for (const file of files)
    out.set(outputName(file.name), await format(emitFile(file, owner), { parser: "typescript", printWidth: 120 }));
  return out;
}
