import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { customKinds } from "@lateen/resources";
import { expect, test } from "vitest";
import { z } from "zod";
import { generateCrds } from "./generate-crds.ts";
import { structuralSchema } from "./structural-schema.ts";

const folder = fileURLToPath(new URL("../../../../charts/lateen/files/crds/", import.meta.url));

test("the definitions of the chart are what the schemas give, one for each kind", async () => {
  const generated = await generateCrds();
  expect(generated.size).toBe(Object.keys(customKinds).length);
  expect(readdirSync(folder).sort()).toEqual([...generated.keys()].sort());
  for (const [name, text] of generated) expect(readFileSync(folder + name, "utf8"), name).toBe(text);
}, 30_000);

test.each<[z.ZodType, unknown]>([
  [z.string().min(1).max(65_536), { type: "string", minLength: 1 }],
  [z.string().max(9).regex(/^a$/), { type: "string", maxLength: 9, pattern: "^a$" }],
  [z.int32().min(0), { type: "integer", format: "int32", minimum: 0 }],
  [z.uint32(), { type: "integer", minimum: 0, maximum: 4_294_967_295 }],
  [z.number().min(0).max(1), { type: "number", format: "double", minimum: 0, maximum: 1 }],
  [z.array(z.boolean().nullable()).max(2), { type: "array", items: { type: "boolean" }, maxItems: 2 }],
  [z.record(z.string(), z.unknown()), { type: "object", "x-kubernetes-preserve-unknown-fields": true }],
  [z.enum(["A", "B"]).default("A"), { type: "string", enum: ["A", "B"] }],
  [
    z.strictObject({ b: z.string().nullable().optional(), a: z.string() }),
    { type: "object", properties: { a: { type: "string" }, b: { type: "string", nullable: true } }, required: ["a"] },
  ],
])("a schema in its structural form", (schema, want) => expect(structuralSchema(schema)).toEqual(want));

test("what has no structural form is named", () => {
  expect(() => structuralSchema(z.union([z.string(), z.number()]))).toThrow("union has no structural form");
});
