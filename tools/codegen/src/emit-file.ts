import protobuf from "protobufjs";

/** One definition file, and the file that its code goes to. */
export interface ProtoFile {
  /** As other files import it: `workload.proto`. */
  readonly name: string;
  readonly root: protobuf.Root;
  readonly types: readonly (protobuf.Type | protobuf.Enum)[];
}

const camel = (name: string): string => name.replace(/_([a-z0-9])/g, (_, c: string) => c.toUpperCase());
const upper = (name: string): string => name[0]!.toUpperCase() + name.slice(1);

/** `LoadBalancing.Scope` as `LoadBalancingScope`: nested names are joined. */
export function typeName(type: protobuf.ReflectionObject): string {
  const { parent } = type;
  return parent instanceof protobuf.Type ? typeName(parent) + type.name : type.name;
}

interface ScalarCode {
  readonly ts: string;
  readonly wire: 0 | 1 | 2;
  readonly empty: string;
  readonly method: string;
}

const SCALARS: Readonly<Record<string, ScalarCode>> = {
  string: { ts: "string", wire: 2, empty: '""', method: "string" },
  bytes: { ts: "Uint8Array", wire: 2, empty: "new Uint8Array(0)", method: "bytes" },
  bool: { ts: "boolean", wire: 0, empty: "false", method: "bool" },
  uint32: { ts: "number", wire: 0, empty: "0", method: "uint32" },
  int32: { ts: "number", wire: 0, empty: "0", method: "int32" },
  int64: { ts: "number", wire: 0, empty: "0", method: "int64" },
  double: { ts: "number", wire: 1, empty: "0", method: "double" },
};
const ENUM: ScalarCode = { ts: "number", wire: 0, empty: "0", method: "int32" };

interface FieldCode {
  readonly field: protobuf.Field;
  readonly name: string;
  /** Null for a message. */
  readonly scalar: ScalarCode | null;
  readonly message: string;
  /** Null rather than empty when absent: messages, members of a oneof, `optional`. */
  readonly nullable: boolean;
  readonly tag: number;
}

function codeOf(field: protobuf.Field): FieldCode {
  const resolved = field.resolvedType;
  const scalar = resolved instanceof protobuf.Type ? null : resolved ? ENUM : (SCALARS[field.type] ?? null);
  if (scalar === null && !(resolved instanceof protobuf.Type))
    throw new Error(`${field.fullName}: type ${field.type} has no codec`);
  const single = !field.repeated && !field.map;
  const message = resolved instanceof protobuf.Type ? typeName(resolved) : "";
  const wire = scalar === null || field.map ? 2 : scalar.wire;
  const nullable = single && (scalar === null || field.partOf !== null || isOptional(field));
  return { field, name: camel(field.name), scalar, message, nullable, tag: (field.id << 3) | wire };
}

function isOptional(field: protobuf.Field): boolean {
  return field.options?.["proto3_optional"] === true;
}

function tsType(f: FieldCode): string {
  const one = f.scalar?.ts ?? f.message;
  if (f.field.map) return `Map<string, ${one}>`;
  if (f.field.repeated) return `${one}[]`;
  return f.nullable ? `${one} | null` : one;
}

function emptyValue(f: FieldCode): string {
  if (f.field.map) return "new Map()";
  if (f.field.repeated) return "[]";
  return f.nullable ? "null" : (f.scalar?.empty ?? "null");
}

const isPacked = (f: FieldCode): boolean => f.field.repeated && f.scalar !== null && f.scalar.wire === 0;

function writeOne(f: FieldCode, tag: number, value: string): string {
  if (f.scalar !== null) return `w.${f.scalar.method}(${tag}, ${value});`;
  return `{ const at = w.begin(${tag}); write${f.message}(w, ${value}); w.end(at); }`;
}

function writeField(f: FieldCode): string {
  const value = `m.${f.name}`;
  if (f.field.map) {
    const valueTag = (2 << 3) | (f.scalar?.wire ?? 2);
    return `for (const [key, value] of sortedEntries(${value})) { const entry = w.begin(${f.tag}); w.string(10, key); ${writeOne(f, valueTag, "value")} w.end(entry); }`;
  }
  if (isPacked(f)) return `if (${value}.length > 0) w.packed(${(f.field.id << 3) | 2}, ${value});`;
  if (f.field.repeated) return `for (const item of ${value}) ${writeOne(f, f.tag, "item")}`;
  if (f.nullable) return `if (${value} !== null) ${writeOne(f, f.tag, value)}`;
  if (f.scalar?.ts === "Uint8Array") return `if (${value}.length > 0) ${writeOne(f, f.tag, value)}`;
  return `if (${value} !== ${f.scalar?.empty ?? "null"}) ${writeOne(f, f.tag, value)}`;
}

function readOne(f: FieldCode): string {
  return f.scalar === null ? `r.message(read${f.message})` : `r.${f.scalar.method}()`;
}

function readMap(f: FieldCode): string {
  const valueTag = (2 << 3) | (f.scalar?.wire ?? 2);
  const empty = f.scalar?.empty ?? `create${f.message}()`;
  return `case ${f.tag}: r.message(() => {
    let key = ""; let value = ${empty};
    for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
      if (tag === 10) key = r.string(); else if (tag === ${valueTag}) value = ${readOne(f)}; else r.skip(tag);
    }
    m.${f.name}.set(key, value);
  }); break;`;
}

function readField(f: FieldCode): string {
  if (f.field.map) return readMap(f);
  if (isPacked(f))
    return `case ${f.tag}: m.${f.name}.push(${readOne(f)}); break;
    case ${(f.field.id << 3) | 2}: r.message(() => { while (r.more) m.${f.name}.push(${readOne(f)}); }); break;`;
  if (f.field.repeated) return `case ${f.tag}: m.${f.name}.push(${readOne(f)}); break;`;
  const siblings = isOptional(f.field) ? [] : (f.field.partOf?.fieldsArray ?? []).filter((s) => s !== f.field);
  const clear = siblings.map((s) => `m.${camel(s.name)} = null;`).join(" ");
  return `case ${f.tag}: ${clear} m.${f.name} = ${readOne(f)}; break;`;
}

function emitMessage(type: protobuf.Type): string {
  const name = typeName(type);
  const fields = type.fieldsArray.map((f) => codeOf(f.resolve())).sort((a, b) => a.field.id - b.field.id);
  const unused = fields.length === 0 ? "_" : "";
  return `
/** \`${type.fullName.slice(1)}\` */
export interface ${name} { ${fields.map((f) => `${f.name}: ${tsType(f)};`).join("\n")} }
/** A message with every field at its default but those given. */
export function create${name}(init: Partial<${name}> = {}): ${name} {
  return { ${fields.map((f) => `${f.name}: ${emptyValue(f)},`).join("\n")} ...init };
}
export function write${name}(${unused}w: Writer, ${unused}m: ${name}): void { ${fields.map(writeField).join("\n")} }
export function read${name}(r: Reader): ${name} {
  const m = create${name}();
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    ${fields.length === 0 ? "r.skip(tag);" : `switch (tag) { ${fields.map(readField).join("\n")} default: r.skip(tag); }`}
  }
  return m;
}
export function encode${name}(m: ${name}): Uint8Array { return encodeWith(write${name}, m); }
export function decode${name}(bytes: Uint8Array): Result<${name}> { return decodeWith("${type.fullName.slice(1)}", read${name}, bytes); }`;
}

function emitEnum(type: protobuf.Enum): string {
  const name = typeName(type);
  const values = Object.entries(type.values).map(([key, value]) => `${key}: ${value},`);
  return `
/** \`${type.fullName.slice(1)}\`; a message may hold any number. */
export const ${upper(name)} = { ${values.join("\n")} } as const;`;
}

function importsOf(file: ProtoFile, owner: ReadonlyMap<protobuf.ReflectionObject, ProtoFile>): string {
  const wanted = new Map<string, Set<string>>();
  for (const type of file.types) {
    if (!(type instanceof protobuf.Type)) continue;
    for (const field of type.fieldsArray) {
      const used = field.resolve().resolvedType;
      const from = used instanceof protobuf.Type ? owner.get(used) : undefined;
      if (!(used instanceof protobuf.Type) || from === undefined || from === file) continue;
      const names = wanted.get(from.name) ?? new Set();
      const n = typeName(used);
      for (const name of [`type ${n}`, `read${n}`, `write${n}`]) names.add(name);
      if (field.map) names.add(`create${n}`);
      wanted.set(from.name, names);
    }
  }
  return [...wanted]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([from, names]) => `import { ${[...names].sort().join(", ")} } from "./${outputName(from)}";`)
    .join("\n");
}

/** `workload.proto` goes to `workload.ts`. */
export function outputName(protoName: string): string {
  return protoName.replace(/\.proto$/, ".ts");
}

/** TypeScript for every message and enum of a file. Message order is that of the definition; maps are written sorted. */
export function emitFile(file: ProtoFile, owner: ReadonlyMap<protobuf.ReflectionObject, ProtoFile>): string {
  const usesMaps = file.types.some((t) => t instanceof protobuf.Type && t.fieldsArray.some((f) => f.map));
  const wire = `import { ${usesMaps ? "decodeWith, encodeWith, sortedEntries" : "decodeWith, encodeWith"} } from "../wire/codec.ts";`;
  return `// Generated by @lateen/codegen from proto/${file.name}. Do not edit: run \`npm run generate\`.
import type { Result } from "@lateen/errors";
${importsOf(file, owner)}
${wire}
import type { Reader } from "../wire/reader.ts";
import type { Writer } from "../wire/writer.ts";
${file.types.map((t) => (t instanceof protobuf.Type ? emitMessage(t) : emitEnum(t))).join("\n")}
`;
}
