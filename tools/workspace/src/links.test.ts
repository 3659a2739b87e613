import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../../..");
const pages = globSync(["*.md", "{docs,apps,packages,tools,examples,e2e}/**/*.md"], { cwd: root }).filter(
  (file) => !/(^|\/)(node_modules|dist|testdata)\//.test(file),
);

/** As GitHub names a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(" ", "-");
const anchorsIn = (file: string): readonly string[] =>
  [...readFileSync(file, "utf8").matchAll(/^#{1,6} +(.+)$/gm)].map((m) => anchorOf(m[1]!));

/** Links to files and headings of the repository; code is no prose. */
function linksIn(page: string): readonly string[] {
  const prose = readFileSync(path.join(root, page), "utf8")
    .replace(/^```[^]*?^```/gm, "")
    .replace(/`[^`\n]*`/g, "");
  const inline = [...prose.matchAll(/\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)/g)];
  const reference = [...prose.matchAll(/^\[[^\]]+\]: +<?([^\s>]+)/gm)];
  return [...inline, ...reference].map((m) => m[1]!).filter((to) => !/^[a-z][a-z0-9+.-]*:/i.test(to));
}

function isBroken(page: string, link: string): boolean {
  const [file = "", anchor] = decodeURI(link).split("#");
  const target = file === "" ? page : path.join(path.dirname(page), file);
  const at = path.join(root, target);
  if (target.startsWith("..") || !existsSync(at)) return true;
  return anchor !== undefined && at.endsWith(".md") && !anchorsIn(at).includes(anchor);
}

test("every relative link in Markdown leads somewhere", () => {
  const links = pages.flatMap((page) => linksIn(page).map((link) => [page, link] as const));
  expect(links.length).toBeGreaterThan(5);
  expect(links.filter(([page, link]) => isBroken(page, link)).map(([page, link]) => `${page}: ${link}`)).toEqual([]);
});

test("a broken link would be found", () => {
  expect(isBroken("README.md", "docs/nowhere.md")).toBe(true);
  expect(isBroken("README.md", "../outside.md")).toBe(true);
  expect(isBroken("docs/map.md", "errors.md#no-such-heading")).toBe(true);
  expect(isBroken("docs/map.md", "errors.md#error-codes")).toBe(false);
});
