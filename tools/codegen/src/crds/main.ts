import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv } from "node:process";
import { generateCrds } from "./generate-crds.ts";

const [folder] = argv.slice(2);
if (folder === undefined) throw new Error("Cannot generate: give the output folder");
mkdirSync(folder, { recursive: true });
const files = await generateCrds();
for (const name of readdirSync(folder))
  if (name.endsWith(".generated.yaml") && !files.has(name)) rmSync(join(folder, name));
for (const [name, text] of files) writeFileSync(join(folder, name), text);
