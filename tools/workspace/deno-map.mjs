// Renews the import map of deno.json: every door of every package that has a source. A test fails when it is stale.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { format } from "prettier";
import { projects, root } from "./projects.mjs";

const file = path.join(root, "deno.json");
const config = JSON.parse(readFileSync(file, "utf8"));
const doors = projects()
  .filter((p) => p.dir.startsWith("packages/"))
  .flatMap((p) =>
    Object.entries(p.manifest.exports).map(([door, to]) => [p.name + door.slice(1), to["lateen:source"], p.dir]),
  )
  .filter(([, source]) => source !== undefined)
  .map(([name, source, dir]) => [name, `./${dir}/${source.slice(2)}`]);
const others = Object.entries(config.imports).filter(([name]) => !name.startsWith("@lateen/"));
const text = JSON.stringify({ ...config, imports: Object.fromEntries([...others, ...doors]) });
writeFileSync(file, await format(text, { parser: "json", printWidth: 120, objectWrap: "preserve" }));
