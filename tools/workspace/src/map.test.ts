import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../../..");
const map = readFileSync(path.join(root, "docs/map.md"), "utf8");
const named = new Set([...map.matchAll(/`([^`\s]+)`/g)].map((m) => m[1]!));

test("every project stands on the map", () => {
  const all = globSync("{packages,apps,tools}/*/package.json", { cwd: root }).map((f) => path.dirname(f));
  expect(all.length).toBeGreaterThan(20);
  expect([...all, "e2e"].filter((dir) => !named.has(dir))).toEqual([]);
});

test("every path of the map exists", () => {
  const paths = [...named].filter((name) => name.includes("/") || /\.(json|mjs|md)$/.test(name));
  expect(paths.filter((name) => !existsSync(path.join(root, name)))).toEqual([]);
});

test("every decision that the map names exists", () => {
  const numbers = [...map.matchAll(/ADR (\d{4})/g)].map((m) => m[1]!);
  expect(numbers.length).toBeGreaterThan(5);
  expect(numbers.filter((n) => globSync(`docs/adr/${n}-*.md`, { cwd: root }).length !== 1)).toEqual([]);
});
