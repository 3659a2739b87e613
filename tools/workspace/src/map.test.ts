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

test("Deno reads every door of every package from source", () => {
  const { imports } = JSON.parse(readFileSync(path.join(root, "deno.json"), "utf8")) as {
    imports: Record<string, string>;
  };
  const doors = globSync("packages/*/package.json", { cwd: root }).flatMap((file) => {
    const m = JSON.parse(readFileSync(path.join(root, file), "utf8")) as {
      name: string;
      exports: Record<string, string | Record<string, string>>;
    };
    const sources = Object.entries(m.exports).map(
      ([door, to]) => [door, typeof to === "string" ? undefined : to["lateen:source"]] as const,
    );
    return sources.flatMap(([door, to]) =>
      to === undefined ? [] : [[m.name + door.slice(1), `./${path.dirname(file)}/${to.slice(2)}`]],
    );
  });
  const listed = Object.entries(imports).filter(([name]) => name.startsWith("@lateen/"));
  expect(Object.fromEntries(listed), "deno.json is stale: run node tools/workspace/deno-map.mjs").toEqual(
    Object.fromEntries(doors),
  );
});
