import { existsSync, globSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../../..");
type Projects = Readonly<Record<string, { readonly targets: Readonly<Record<string, unknown>> }>>;

describe("Nx targets", async () => {
  const plugin: string = "../nx-plugin.mjs"; // no declarations: a name that the compiler cannot follow
  const { createNodes } = (await import(plugin)) as {
    createNodes: [
      string,
      (files: readonly string[], options: undefined, context: object) => Promise<[string, { projects: Projects }][]>,
    ];
  };
  const [pattern, create] = createNodes;
  const files = globSync(pattern, { cwd: root });
  const found = await create(files, undefined, { workspaceRoot: root });
  const projects = Object.assign({}, ...found.map(([, result]) => result.projects)) as Projects;
  const has = (target: string): readonly string[] =>
    Object.keys(projects)
      .filter((name) => projects[name]?.targets[target] !== undefined)
      .sort();

  test("every package, app and tool, and e2e, is a project", () => {
    const all = globSync("{packages,apps,tools}/*/package.json", { cwd: root }).map((f) => path.dirname(f));
    expect(Object.keys(projects).sort()).toEqual([...all, "e2e"].sort());
    expect(has("check")).toEqual(Object.keys(projects).sort());
  });

  test("whatever has a tsconfig is built, whatever has tests is tested", () => {
    expect(has("build")).toEqual(
      Object.keys(projects)
        .filter((name) => existsSync(path.join(root, name, "tsconfig.json")))
        .sort(),
    );
    for (const name of ["packages/errors", "apps/cli", "tools/workspace", "e2e"]) expect(has("test")).toContain(name);
  });

  test("whatever has a bench has the target", () => {
    const folders = globSync("{packages,apps}/*/bench/*.ts", { cwd: root }).map((f) => path.dirname(path.dirname(f)));
    expect(has("bench")).toEqual([...new Set([...folders, "tools/bench"])].sort());
    expect(folders.length).toBeGreaterThan(0);
  });
});
