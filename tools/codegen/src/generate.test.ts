import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { generate } from "./generate.ts";

const typesPackage = (folder: string): string =>
  fileURLToPath(new URL(`../../../packages/xds-types/${folder}`, import.meta.url));

test("the generated codecs of xds-types are what their definitions give", async () => {
  const generated = await generate(typesPackage("proto"));
  expect(readdirSync(typesPackage("src/generated")).sort()).toEqual([...generated.keys()].sort());
  for (const [name, text] of generated)
    expect(readFileSync(typesPackage(`src/generated/${name}`), "utf8"), name).toBe(text);
}, 30_000);
