import { globSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { findCycles, readImports } from "./import-cycles.ts";

const root = path.resolve(import.meta.dirname, "../../..");
const graph = (edges: Record<string, string[]>): ReadonlyMap<string, string[]> => new Map(Object.entries(edges));

test.each([
  ["no cycle in a diamond", { a: ["b", "c"], b: ["d"], c: ["d"], d: [] }, []],
  ["a file that imports itself", { a: ["a"] }, [["a", "a"]]],
  ["two files", { a: ["b"], b: ["a"] }, [["a", "b", "a"]]],
  ["a cycle behind a lead", { a: ["b"], b: ["c"], c: ["d"], d: ["b"] }, [["b", "c", "d", "b"]]],
])("%s", (_name, edges, want) => expect(findCycles(graph(edges))).toEqual(want));

test("imports of every form are read", () => {
  const here = import.meta.filename;
  expect(readImports([here]).get(here)).toEqual([path.join(import.meta.dirname, "import-cycles.ts")]);
});

test("no file of ours imports itself over others", () => {
  const files = globSync("{packages,apps,tools,e2e}/**/*.ts", {
    cwd: root,
    exclude: (f) => /node_modules|dist|testdata/.test(f),
  });
  expect(files.length).toBeGreaterThan(100);
  const cycles = findCycles(readImports(files.map((f) => path.join(root, f))));
  expect(cycles.map((cycle) => cycle.map((f) => path.relative(root, f)).join(" → "))).toEqual([]);
});
