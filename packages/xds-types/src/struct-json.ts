import { type Struct, type Value, createListValue, createStruct, createValue } from "./generated/google-protobuf.ts";

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

function toValue(json: JsonValue): Value {
  if (json === null) return createValue({ nullValue: 0 });
  if (typeof json === "boolean") return createValue({ boolValue: json });
  if (typeof json === "number") return createValue({ numberValue: json });
  if (typeof json === "string") return createValue({ stringValue: json });
  if (isList(json)) return createValue({ listValue: createListValue({ values: json.map(toValue) }) });
  return createValue({ structValue: structFromJson(json) });
}

const isList = (json: JsonValue): json is readonly JsonValue[] => Array.isArray(json);

function fromValue(value: Value): JsonValue {
  if (value.structValue !== null) return structToJson(value.structValue);
  if (value.listValue !== null) return value.listValue.values.map(fromValue);
  return value.stringValue ?? value.numberValue ?? value.boolValue ?? null;
}

/** A JSON object as `google.protobuf.Struct`. */
export function structFromJson(json: JsonObject): Struct {
  return createStruct({ fields: new Map(Object.entries(json).map(([key, value]) => [key, toValue(value)])) });
}

/** The reverse of `structFromJson`. */
export function structToJson(struct: Struct): JsonObject {
  return Object.fromEntries([...struct.fields].map(([key, value]) => [key, fromValue(value)]));
}
