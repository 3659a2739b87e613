// Bundles the apps that ask for it in their package.json (`lateen.bundles`): one file per thread, so that a process reads a few files
// and loads no compiler. Run by the project's own Node, as part of `npm run ready`; does nothing while no input has changed.
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import path from "node:path";
import process from "node:process";
import { BUNDLES, freshBundle, hashInputs } from "../../packages/local-mesh/src/app-bundle.ts";
import { projects, root } from "./projects.mjs";

/** Bundles kept beside the newest: a process that runs from one may still load a part of it. */
const KEPT = 2;

/** The nearest package.json: it says where imports lead. */
function manifestOf(file) {
  for (let at = path.dirname(file); at.startsWith(root); at = path.dirname(at))
    if (existsSync(path.join(at, "package.json"))) return path.join(at, "package.json");
  throw new Error(`Cannot bundle "${file}": no package.json above it`);
}

const AS_CODE = "\0builtin:";

/**
 * `import` of one of Node's modules reads every name that it exports, and some of those load more when they are read: that of
 * `node:http` brings a second HTTP client, 14 MB. So the names that are used are taken from the module itself.
 */
const builtins = {
  name: "builtins",
  resolveId(id, importer, { kind }) {
    if (!isBuiltin(id)) return null;
    // The bundler's own code runs before all modules, `require` does not read names.
    const asCode = kind === "import-statement" && importer !== undefined && path.isAbsolute(importer);
    return asCode ? AS_CODE + id : { id, external: true };
  },
  load(id) {
    if (!id.startsWith(AS_CODE)) return null;
    const name = id.slice(AS_CODE.length);
    const names = Object.keys(process.getBuiltinModule(name)).filter((k) => /^[A-Za-z_$][\w$]*$/.test(k));
    const exported = names.map((key) => `export const ${key} = builtin.${key};`);
    const whole = `const builtin = process.getBuiltinModule(${JSON.stringify(name)});`;
    const code = [whole, ...exported, "export default builtin;"];
    return { code: code.join("\n"), moduleSideEffects: false };
  },
};

/** @returns every file that was read */
async function bundle(build, app, name, source, into) {
  const { output } = await build({
    cwd: root,
    input: { [name]: path.join(root, app.dir, source) },
    platform: "node",
    // The binary of the one lies in its package; the other is read only for a debugging service that we do not have.
    external: ["koffi", "@grpc/proto-loader"],
    plugins: [builtins],
    treeshake: { propertyReadSideEffects: false },
    resolve: { conditionNames: ["lateen:source", "node", "import", "default"] },
    logLevel: "warn",
    output: {
      dir: into,
      format: "esm",
      sourcemap: true,
      // Names and lines stay: a stack in a log is to be read as it is.
      minify: false,
      // One character beyond Latin-1 would double what the text takes in memory.
      charset: "ascii",
      comments: false,
      entryFileNames: "[name].js",
      chunkFileNames: "parts/[name]-[hash].js",
    },
  });
  return output.flatMap((chunk) => (chunk.type === "chunk" ? chunk.moduleIds : [])).filter((id) => path.isAbsolute(id));
}

function removeOld(folder, current) {
  const old = readdirSync(folder, { withFileTypes: true }).filter((e) => e.isDirectory() && e.name !== current);
  const byAge = old
    .map((e) => ({ name: e.name, at: inputsTime(path.join(folder, e.name)) }))
    .sort((a, b) => b.at - a.at);
  for (const { name } of byAge.slice(KEPT - 1)) rmSync(path.join(folder, name), { recursive: true, force: true });
}

function inputsTime(folder) {
  const at = Number(existsSync(path.join(folder, "made")) ? readFileSync(path.join(folder, "made"), "utf8") : 0);
  return Number.isFinite(at) ? at : 0;
}

async function bundleApp(app) {
  const { build } = await import("rolldown");
  const folder = path.join(root, app.dir, BUNDLES);
  const scratch = path.join(folder, `.new-${process.pid}`);
  mkdirSync(scratch, { recursive: true });
  try {
    const modules = new Set();
    for (const [name, source] of Object.entries(app.manifest.lateen.bundles))
      for (const id of await bundle(build, app, name, source, scratch)) modules.add(id);
    const tools = [import.meta.filename, path.join(root, "node_modules/rolldown/package.json")];
    const manifests = [...modules].map(manifestOf);
    const inputs = [...new Set([...modules, ...manifests, ...tools])].map((f) => path.relative(folder, f)).sort();
    const hash = hashInputs(folder, inputs);
    writeFileSync(path.join(scratch, "made"), String(Date.now()));
    rmSync(path.join(folder, hash), { recursive: true, force: true });
    renameSync(scratch, path.join(folder, hash));
    const [first] = Object.keys(app.manifest.lateen.bundles);
    const note = path.join(folder, `.inputs-${process.pid}`);
    writeFileSync(note, JSON.stringify({ hash, entry: `${first}.js`, inputs }));
    renameSync(note, path.join(folder, "inputs.json")); // from here on it is the one that is run
    removeOld(folder, hash);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

for (const app of projects()) {
  if (app.manifest.lateen?.bundles === undefined || freshBundle(path.join(root, app.dir)) !== null) continue;
  const begun = performance.now();
  await bundleApp(app);
  console.log(`ready: bundled ${app.dir} in ${((performance.now() - begun) / 1_000).toFixed(1)} s`);
}
