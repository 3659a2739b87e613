import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv } from "node:process";
import { generate } from "./generate.ts";

const [protoFolder, outFolder] = argv.slice(2);
if (protoFolder === undefined || outFolder === undefined)
  throw new Error("Cannot generate: give the folder of .proto files and the output folder");
mkdirSync(outFolder, { recursive: true });
for (const [name, text] of await generate(protoFolder)) writeFileSync(join(outFolder, name), text);
