import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import type { Tree } from "@nx/devkit";
import { ESLint } from "eslint";
import { FsTree, flushChanges } from "nx/src/generators/tree";
import { check } from "prettier";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../../..");
// Inside the repository, so that names of ours and of npm resolve as they do in it.
mkdirSync(path.join(root, ".cache"), { recursive: true });
/** For tests that start a compiler, a test runner or Nx. */
const SLOW_MS = 120_000;
const workspace = mkdtempSync(path.join(root, ".cache/generators-"));

interface Options {
  readonly name: string;
  readonly description: string;
  readonly layer?: string;
}
type Generate = (tree: Tree, options: Options) => Promise<unknown>;
let generatePackage: Generate;
let generateApp: Generate;

beforeAll(async () => {
  const made: unknown = await import(path.join(root, "tools/generators/generate.mjs"));
  ({ generatePackage, generateApp } = made as { generatePackage: Generate; generateApp: Generate });
  for (const file of ["deno.json", "tsconfig.base.json", "vitest.config.ts", ".prettierrc.json"])
    cpSync(path.join(root, file), path.join(workspace, file));
  mkdirSync(path.join(workspace, "docs"));
  mkdirSync(path.join(workspace, "packages"));
  writeFileSync(
    path.join(workspace, "docs/map.md"),
    "# Map\n\n## What the mesh does\n\n| To change | See |\n|---|---|\n| a | b |\n\n## Next\n",
  );
  for (const name of readdirSync(path.join(root, "packages"))) {
    symlinkSync(path.join(root, "packages", name), path.join(workspace, "packages", name));
  }
});

afterAll(() => rmSync(workspace, { recursive: true }));

async function generate(generator: Generate, options: Options): Promise<readonly string[]> {
  const tree = new FsTree(workspace, false);
  await generator(tree, options);
  const changes = tree.listChanges();
  flushChanges(workspace, changes);
  return changes.map((c) => c.path);
}

function run(program: string, ...args: readonly string[]): string {
  const r = spawnSync(path.join(root, "node_modules/.bin", program), args, { cwd: workspace, encoding: "utf8" });
  return r.status === 0 ? "" : `${r.stdout}${r.stderr}`;
}

async function lint(files: readonly string[]): Promise<readonly string[]> {
  process.env["LINT_TYPED"] = "0";
  const eslint = new ESLint({ cwd: root, overrideConfig: { rules: { "@nx/enforce-module-boundaries": "off" } } });
  const found: string[] = [];
  for (const file of files.filter((f) => f.endsWith(".ts"))) {
    // A core package has the strictest rules; an app has those of apps.
    const filePath = path.join(
      root,
      file.replace(/^packages\/[^/]+/, "packages/policy").replace(/^apps\/[^/]+/, "apps/cni"),
    );
    const [result] = await eslint.lintText(readFileSync(path.join(workspace, file), "utf8"), { filePath });
    found.push(...(result?.messages ?? []).map((m) => `${file}:${m.line} ${m.message}`));
  }
  return found;
}

async function unformatted(files: readonly string[]): Promise<readonly string[]> {
  const bad: string[] = [];
  for (const file of files) {
    const text = readFileSync(path.join(workspace, file), "utf8");
    if (!(await check(text, { filepath: file, printWidth: 120 }))) bad.push(file);
  }
  return bad;
}

test("Deno finds a new package by its name", async () => {
  await generate(generatePackage, { name: "moon-phases", layer: "core", description: "Phases of the moon by date" });
  const { imports } = JSON.parse(readFileSync(path.join(workspace, "deno.json"), "utf8")) as {
    imports: Record<string, string>;
  };
  expect(imports["@lateen/moon-phases"]).toBe("./packages/moon-phases/src/index.ts");
  expect(Object.keys(imports).at(0)).toBe("vitest");
});

describe.each([
  {
    what: "package",
    options: { name: "tide-tables", layer: "core", description: "Tables of tides by harbour" },
    dir: "packages",
  },
  { what: "app", options: { name: "harbour-master", description: "Tells ships where to moor" }, dir: "apps" },
])("a generated $what", ({ what, options, dir }) => {
  const home = `${dir}/${options.name}`;
  let files: readonly string[];
  beforeAll(async () => {
    files = await generate(what === "app" ? generateApp : generatePackage, options);
  });

  test("has the house anatomy", () => {
    const always = ["package.json", "tsconfig.json", "README.md", "src/index.ts"].map((f) => `${home}/${f}`);
    expect(files).toEqual(expect.arrayContaining(always));
    expect(files.some((f) => f.endsWith(".test.ts"))).toBe(true);
  });

  test("type-checks", () => expect(run("tsc", "-b", "--pretty", "false", home)).toBe(""), SLOW_MS);

  test("passes its own tests", () => expect(run("vitest", "run", home)).toBe(""), SLOW_MS);

  test("passes the lint", async () => expect(await lint(files)).toEqual([]));

  test("is formatted", async () => expect(await unformatted(files.filter((f) => f.startsWith(home)))).toEqual([]));

  test("has a README whose example runs", () => {
    const readme = readFileSync(path.join(workspace, home, "README.md"), "utf8");
    const code = /^```ts\n([\s\S]*?)^```$/m.exec(readme)?.[1] ?? "";
    const args = ["--conditions=lateen:source", "--input-type=module-typescript", "-"];
    const r = spawnSync(path.join(root, "node_modules/.bin/node"), args, {
      cwd: path.join(workspace, home),
      input: code,
      encoding: "utf8",
    });
    expect(`${r.status} ${r.stderr}`).toBe("0 ");
    expect(r.stdout).not.toBe("");
  });

  test("stands on the map", () => {
    const map = readFileSync(path.join(workspace, "docs/map.md"), "utf8");
    const rows = map.slice(map.indexOf("| a "), map.indexOf("\n\n## Next"));
    expect(rows).toContain(`\`${home}\``);
  });
});

test.each([
  ["a name of a role", { name: "net-utils", layer: "core", description: "Things of all kinds" }, /not for its role/],
  [
    "a name that is not kebab-case",
    { name: "NetWork", layer: "core", description: "Networks of all kinds" },
    /kebab-case/,
  ],
  [
    "a layer that does not exist",
    { name: "nets", layer: "middle", description: "Networks of all kinds" },
    /layer is one of/,
  ],
  ["a package that exists", { name: "errors", layer: "base", description: "Errors of all kinds" }, /exists already/],
  ["a description that says nothing", { name: "nets", layer: "core", description: "nets" }, /describe it/],
])("%s is refused", async (_name, options, message) => {
  await expect(generatePackage(new FsTree(workspace, false), options)).rejects.toThrow(message);
});

test(
  "Nx finds both generators",
  () => {
    for (const [generator, ...more] of [["package", "--layer=core"], ["app"]] as const) {
      const args = [
        "g",
        `@lateen/generators:${generator}`,
        "tide-tables",
        "--description=Tables of tides by harbour",
        "--dry-run",
      ];
      const r = spawnSync(path.join(root, "node_modules/.bin/nx"), [...args, ...more], {
        cwd: root,
        encoding: "utf8",
        env: { ...process.env, NX_DAEMON: "false", NX_INTERACTIVE: "false" },
      });
      expect(r.stdout + r.stderr).toMatch(/CREATE (packages|apps)\/tide-tables\/package\.json/);
    }
  },
  SLOW_MS,
);
