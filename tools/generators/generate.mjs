// The Nx side of the generators: checks the options, writes the files into the tree. What the files hold stands in anatomy.mjs.
import { formatFiles, updateJson } from "@nx/devkit";
import { appFiles, mapRow, packageFiles } from "./anatomy.mjs";

const LAYERS = ["base", "core", "protocol", "io"];
/** Names of roles: they say nothing about what a package can do, and attract everything. */
const ROLES = /(^|-)(utils?|utilities|common|shared|helpers?|managers?|misc|lib|core|base)(-|$)/;

function check(tree, dir, { name, description }) {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name ?? ""))
    throw new Error(`Cannot generate "${name}": the name must be kebab-case`);
  if (ROLES.test(name)) throw new Error(`Cannot generate "${name}": name it for what it can do, not for its role`);
  if (tree.exists(`${dir}/package.json`)) throw new Error(`Cannot generate "${name}": ${dir} exists already`);
  if (!/^.{10,}[^.\s]$/.test(description)) {
    throw new Error(
      `Cannot generate "${name}": describe it in one line of at least a few words, without a final period`,
    );
  }
}

function write(tree, dir, files) {
  for (const [file, text] of files) tree.write(`${dir}/${file}`, text);
}

/** Puts the project on the map: at the end of the table below `heading`. */
function addToMap(tree, heading, row) {
  const map = tree.read("docs/map.md", "utf8");
  if (map === null) return;
  const at = map.indexOf(`## ${heading}\n`);
  const end = at < 0 ? -1 : map.indexOf("|\n\n", at);
  const where = end < 0 ? map.length : end + 2;
  tree.write("docs/map.md", `${map.slice(0, where)}${row}\n${map.slice(where)}`);
}

/** Deno reads our packages from source by this map. */
function addToDeno(tree, name, dir) {
  if (!tree.exists("deno.json")) return;
  updateJson(tree, "deno.json", (config) => {
    const entries = Object.entries({ ...config.imports, [name]: `./${dir}/src/index.ts` });
    const byName = ([a], [b]) =>
      Number(a.startsWith("@lateen/")) - Number(b.startsWith("@lateen/")) || (a < b ? -1 : 1);
    return { ...config, imports: Object.fromEntries(entries.sort(byName)) };
  });
}

/** Dependencies are linked only by an install; a generator that ran one itself would be slow to test and hard to undo. */
const next = (dir) => () => console.log(`next: npm install, then npx vitest run ${dir}`);

export async function generatePackage(tree, options) {
  const dir = `packages/${options.name}`;
  if (!LAYERS.includes(options.layer))
    throw new Error(`Cannot generate "${options.name}": the layer is one of ${LAYERS.join(", ")}`);
  check(tree, dir, options);
  write(tree, dir, packageFiles(options));
  addToMap(
    tree,
    options.layer === "base" ? "What everything stands on" : "What the mesh does",
    mapRow(dir, options.description),
  );
  addToDeno(tree, `@lateen/${options.name}`, dir);
  await formatFiles(tree);
  return next(dir);
}

export async function generateApp(tree, options) {
  const dir = `apps/${options.name}`;
  check(tree, dir, options);
  write(tree, dir, appFiles(options));
  addToMap(tree, "What the mesh does", mapRow(dir, options.description));
  await formatFiles(tree);
  return next(dir);
}
