import process from "node:process";
import { fileURLToPath } from "node:url";
import { createProjectGraphAsync } from "@nx/devkit";
import { ESLint } from "eslint";
import { beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const eslint = new ESLint({
  cwd: root,
  overrideConfig: { languageOptions: { parserOptions: { projectService: false } } },
});

async function problems(filePath: string, code: string): Promise<readonly string[]> {
  const [result] = await eslint.lintText(code, { filePath: `${root}${filePath}` });
  const messages = result?.messages ?? [];
  const broken = messages.find((m) => m.fatal === true || m.ruleId === null);
  if (broken !== undefined) throw new Error(`The linter itself failed: ${broken.message}`);
  return messages.map((m) => `${m.ruleId}: ${m.message}`);
}

beforeAll(async () => {
  process.env["NX_DAEMON"] = "false";
  process.env["LINT_TYPED"] = "0"; // made-up files belong to no TypeScript project
  await createProjectGraphAsync(); // without it the boundary rule is silent
}, 60_000);

const BOUNDARY = "@nx/enforce-module-boundaries";
const IMPORTS = "no-restricted-imports";

describe("forbidden imports fail the lint", () => {
  test.each([
    ["core → io", "packages/policy/src/x.ts", "@lateen/linux", BOUNDARY, /layer:core/],
    ["base → core", "packages/telemetry/src/x.ts", "@lateen/identity", BOUNDARY, /layer:base/],
    ["core → protocol", "packages/policy/src/x.ts", "@lateen/hbone", BOUNDARY, /layer:core/],
    ["protocol → io", "packages/zds/src/x.ts", "@lateen/datapath", BOUNDARY, /layer:protocol/],
    ["io → app", "packages/ca/src/x.ts", "@lateen/cni", BOUNDARY, /layer:io/],
    ["app → app", "apps/cli/src/x.ts", "@lateen/controlplane", BOUNDARY, /layer:app/],
    ["scope cni → scope ztunnel", "apps/cni/src/x.ts", "@lateen/ztunnel", BOUNDARY, /scope:cni|layer:app/],
    ["production code → testkit", "packages/policy/src/x.ts", "@lateen/testkit", BOUNDARY, /layer:core/],
    ["testkit → ours", "packages/testkit/src/x.ts", "@lateen/errors", BOUNDARY, /layer:test/],
    ["a test's import above its layer", "packages/policy/src/x.test.ts", "@lateen/linux", BOUNDARY, /layer:core/],
    ["core → a Node builtin", "packages/policy/src/x.ts", "node:fs", IMPORTS, /pure.*take it as a parameter/],
    ["protocol → a Node builtin", "packages/hbone/src/x.ts", "node:net", IMPORTS, /pure.*take it as a parameter/],
    ["a builtin by its bare name", "packages/linux/src/x.ts", "fs", IMPORTS, /import "node:fs"/],
    ["koffi outside linux", "packages/datapath/src/x.ts", "koffi", IMPORTS, /use @lateen\/linux/],
    [
      "starting programs outside the local mesh",
      "apps/cni/src/x.ts",
      "node:child_process",
      IMPORTS,
      /use @lateen\/linux/,
    ],
    [
      "another package's insides",
      "apps/cni/src/x.ts",
      "@lateen/errors/src/mesh-error.ts",
      IMPORTS,
      /index\.ts exports/,
    ],
  ])("%s", async (_name, file, specifier, rule, message) => {
    const found = await problems(file, `import { x } from "${specifier}";\nx();\n`);
    expect(found.filter((p) => p.startsWith(rule)).join("\n")).toMatch(message);
  });

  test("a relative path into another package", async () => {
    const found = await problems(
      "packages/policy/src/x.ts",
      `import { x } from "../../errors/src/mesh-error.ts";\nx();\n`,
    );
    expect(found.join()).toContain(BOUNDARY);
  });
});

describe("allowed imports pass", () => {
  test.each([
    ["core → base", "packages/policy/src/x.ts", "@lateen/errors"],
    ["io → core", "packages/linux/src/x.ts", "@lateen/redirection"],
    ["app → io", "apps/cni/src/x.ts", "@lateen/linux"],
    ["a core test → testkit", "packages/policy/src/x.test.ts", "@lateen/testkit"],
    ["a core test → a Node builtin", "packages/policy/src/x.test.ts", "node:fs"],
    ["koffi inside linux", "packages/linux/src/x.ts", "koffi"],
    ["base → a Node builtin", "packages/config/src/x.ts", "node:os"],
  ])("%s", async (_name, file, specifier) => {
    expect(await problems(file, `import { x } from "${specifier}";\nx();\n`)).toEqual([]);
  });
});

describe("what else pure code must not do", () => {
  test.each([
    ["read the clock", "export const f = (): number => Date.now();", "no-restricted-properties"],
    ["make a date of now", "export const f = (): Date => new Date();", "no-restricted-syntax"],
    ["throw dice", "export const f = (): number => Math.random();", "no-restricted-properties"],
    ["use Buffer", "export const f = (): unknown => Buffer.alloc(1);", "no-restricted-globals"],
    ["read the environment", "export const f = (): unknown => process.env;", "no-restricted-globals"],
    ["set a timer", "setTimeout(() => undefined, 1);", "no-restricted-globals"],
  ])("%s", async (_name, code, rule) => {
    expect((await problems("packages/policy/src/x.ts", code)).join()).toContain(rule);
  });
});

describe("what no code may do", () => {
  test.each([
    ["any", "export const f = (x: any): void => void x;", "@typescript-eslint/no-explicit-any"],
    ["ts-ignore", "// @ts-ignore\nexport const f = 1;", "@typescript-eslint/ban-ts-comment"],
    ["an enum", "export enum E { A }", "no-restricted-syntax"],
    ["a default export", "export default 1;", "no-restricted-syntax"],
    [
      "five parameters",
      "export function f(a: 1, b: 1, c: 1, d: 1, e: 1): void { void [a, b, c, d, e]; }",
      "max-params",
    ],
    ["81 lines in a function", `export function f(): void {\n${"  f();\n".repeat(80)}}`, "max-lines-per-function"],
    ["501 lines in a file", "export const a = 1;\n".repeat(501).replaceAll(/a/g, "a"), "max-lines"],
    [
      "an export without a return type",
      "export function f() { return 1; }",
      "@typescript-eslint/explicit-module-boundary-types",
    ],
    [
      "the environment outside main.ts",
      `import process from "node:process";\nexport const e = process.env;`,
      "no-restricted-syntax",
    ],
    [
      "a function where a property is assigned",
      "export function f(o: { run: () => void }): void {\n  o.run = () => undefined;\n}",
      "no-restricted-syntax",
    ],
  ])("%s", async (_name, code, rule) => {
    expect((await problems("packages/linux/src/x.ts", code)).join()).toContain(rule);
  });
});
