import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../../..");
const data = path.join(root, "tools/workspace/testdata");

function node(code: string, ...args: readonly string[]): { status: number | null; output: string } {
  const r = spawnSync(path.join(root, "node_modules/.bin/node"), ["--input-type=module", "-e", code, ...args], {
    cwd: root,
    encoding: "utf8",
  });
  return { status: r.status, output: r.stdout + r.stderr };
}

describe("tests under Deno", () => {
  const deno = (file: string): { status: number | null; output: string } =>
    node(
      `const { denoTest } = await import("./tools/workspace/deno.mjs"); process.exitCode = denoTest(["${path.join(data, "deno", file)}"]).status;`,
    );

  test("pass, with hooks, tables, skips, mocks and rejections", () => {
    const r = deno("passing.ts");
    expect(r.output).toMatch(/ok \| 6 passed \| 0 failed \| 1 ignored/);
    expect(r.status).toBe(0);
  });

  test("fail when a test fails, and each failure is named", () => {
    const r = deno("failing.ts");
    expect(r.output).toMatch(/FAILED \| 1 passed \| 3 failed/);
    for (const name of ["arithmetic > is broken here", "arithmetic > a rejection nobody expected", "row 1"])
      expect(r.output).toContain(name);
    expect(r.status).not.toBe(0);
  });
});

describe("README examples", () => {
  const example = (text: string): string =>
    node(
      `const { exampleOf } = await import("./tools/workspace/readme-examples.mjs"); console.log(JSON.stringify(exampleOf(process.argv[1])));`,
      text,
    ).output;

  test("the first ts block counts, with the words behind it", () => {
    expect(JSON.parse(example("# x\n```sh\nno\n```\n```ts root\nyes();\n```\n```ts\nno();\n```\n"))).toEqual({
      words: ["root"],
      code: "yes();\n",
    });
  });

  test("no block is no example", () => expect(JSON.parse(example("# x\n```tsx\n```\n"))).toBeNull());

  test.each([
    ["passes", "console.log(1);", true],
    ["throws", "throw new Error('broken example');", false],
    ["names something that is not exported", `import { nothing } from "@lateen/errors"; nothing();`, false],
  ])("one that %s", (_name, code, ok) => {
    const r = node(
      `const { runExample } = await import("./tools/workspace/readme-examples.mjs"); console.log(JSON.stringify(await runExample("packages/errors", process.argv[1])));`,
      code,
    );
    expect(JSON.parse(r.output)).toMatchObject({ ok });
  });
});

describe("publishing", () => {
  function judge(name: string): readonly string[] {
    const folder = mkdtempSync(path.join(tmpdir(), "lateen-publish-"));
    try {
      // `dist` is never committed: the fixtures keep theirs as `built`.
      cpSync(path.join(data, name), path.join(folder, "package"), { recursive: true });
      cpSync(path.join(folder, "package/built"), path.join(folder, "package/dist"), { recursive: true });
      const r = node(
        `const { judge, pack } = await import("./tools/workspace/publishing.mjs");
         import { readFileSync } from "node:fs";
         const folder = process.argv[1];
         const manifest = JSON.parse(readFileSync(folder + "/package/package.json", "utf8"));
         const [packed] = pack(folder, [], folder + "/package");
         console.log(JSON.stringify(await judge({ manifest }, packed, folder)));`,
        folder,
      );
      return JSON.parse(r.output) as string[];
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  test("a sound package has no problems", () => expect(judge("good-package")).toEqual([]));

  test("each fault of a bad one is named, whoever finds it", () => {
    const found = judge("bad-package").join("\n");
    expect(found).toMatch(/content: src\/index\.test\.ts does not belong/);
    expect(found).toMatch(/content: \.\/dist\/more\.js is named and not there/);
    expect(found).toMatch(/content: condition "deno" names TypeScript/);
    expect(found).toMatch(/content: README\.md is missing/);
    expect(found).toMatch(/publint: .*types/);
    expect(found).toMatch(/attw: /);
  });
});

describe("getting ready", () => {
  /** Says its version, and fails at everything else when told to. */
  const NODE = '#!/bin/sh\n[ "$1" = --version ] && echo v26.10.0 && exit\nexit ${BUNDLING:-0}\n';

  function checkout(locked: object, installed: object | null): string {
    const folder = mkdtempSync(path.join(tmpdir(), "lateen-ready-"));
    mkdirSync(path.join(folder, "tools/workspace"), { recursive: true });
    mkdirSync(path.join(folder, "node_modules/.bin"), { recursive: true });
    cpSync(path.join(root, "tools/workspace/ready.mjs"), path.join(folder, "tools/workspace/ready.mjs"));
    writeFileSync(path.join(folder, "package.json"), `{"devDependencies":{"node":"26.10.0"}}`);
    writeFileSync(path.join(folder, "package-lock.json"), JSON.stringify({ packages: locked }));
    if (installed !== null)
      writeFileSync(path.join(folder, "node_modules/.package-lock.json"), JSON.stringify({ packages: installed }));
    writeFileSync(path.join(folder, "node_modules/.bin/node"), NODE, { mode: 0o755 });
    writeFileSync(
      path.join(folder, "npm.js"),
      `console.error("npm " + process.argv.slice(2).join(" ")); process.exit(7);`,
    );
    return folder;
  }
  const a = { "node_modules/a": { version: "1.0.0" } };

  test.each([
    ["does nothing and says nothing when all is there", a, a, "", 0],
    [
      "does not miss what is only for other machines",
      { ...a, "node_modules/b": { version: "1.0.0", optional: true } },
      a,
      "",
      0,
    ],
    ["installs when nothing is installed", a, null, "because nothing is installed", 1],
    [
      "installs when something is missing",
      { ...a, "node_modules/b": { version: "2.0.0" } },
      a,
      "node_modules/b is missing",
      1,
    ],
    [
      "installs when a version differs",
      { "node_modules/a": { version: "1.0.1" } },
      a,
      "node_modules/a is another version",
      1,
    ],
  ])("%s", (_name, locked, installed, says, status) => {
    const folder = checkout(locked, installed);
    const env = { ...process.env, npm_execpath: path.join(folder, "npm.js") };
    const r = spawnSync(process.execPath, [path.join(folder, "tools/workspace/ready.mjs")], { encoding: "utf8", env });
    rmSync(folder, { recursive: true });
    expect(r.status).toBe(status);
    expect(r.stdout).toContain(says);
    expect(r.stdout === "").toBe(status === 0);
    if (status !== 0) expect(r.stderr).toMatch(/npm ci --no-audit[^]*npm ci failed/);
  });

  test("fails when an app cannot be bundled", () => {
    const folder = checkout(a, a);
    const env = { ...process.env, BUNDLING: "1" };
    const r = spawnSync(process.execPath, [path.join(folder, "tools/workspace/ready.mjs")], { encoding: "utf8", env });
    rmSync(folder, { recursive: true });
    expect(r.status).toBe(1);
    expect(r.stderr).toContain("an app cannot be bundled");
  });
});
