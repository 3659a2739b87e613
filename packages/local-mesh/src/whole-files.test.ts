import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeWholeFiles } from "./whole-files.ts";

let folder = "";
beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), "lateen-files-"))));
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => path.join(folder, name);

test("files are written and replaced, and nothing else is there", () => {
  writeWholeFiles(new Map([[at("a"), "1"]]));
  writeWholeFiles(
    new Map([
      [at("a"), "2"],
      [at("b"), "3"],
    ]),
  );
  expect(fs.readdirSync(folder).map((name) => [name, fs.readFileSync(at(name), "utf8")])).toEqual([
    ["a", "2"],
    ["b", "3"],
  ]);
});

test("when one of them cannot be written, all stay as they were", () => {
  writeWholeFiles(new Map([[at("a"), "1"]]));
  const files = new Map([
    [at("a"), "2"],
    [at("gone/b"), "3"],
  ]);
  expect(() => writeWholeFiles(files)).toThrow("ENOENT");
  expect(fs.readdirSync(folder)).toEqual(["a"]);
  expect(fs.readFileSync(at("a"), "utf8")).toBe("1");
});
