import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { describeDifference, golden } from "./golden.ts";

describe("golden files", () => {
  test("the golden of this package is found from its root", () => golden("greeting", "hello\nworld\n"));

  test("a difference is shown with its line", () => {
    expect(() => golden("greeting", "hello\nmoon\n")).toThrow(
      /greeting\.golden differs at line 2 .*\n {2}hello\n- world\n\+ moon/,
    );
  });

  test("a missing file says how to make it", () => {
    expect(() => golden("no-such", "x")).toThrow(/does not exist: run the test with UPDATE_GOLDEN=1/);
  });

  test("a name cannot leave testdata", () => {
    for (const name of ["../x", "/etc/x", "a/../../x"]) expect(() => golden(name, "x")).toThrow(/leaves testdata/);
  });

  test("the caller's package is used, wherever it is, and UPDATE_GOLDEN writes", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "golden-"));
    const before = process.env["UPDATE_GOLDEN"];
    try {
      writeFileSync(path.join(folder, "package.json"), `{"type":"module"}`);
      writeFileSync(
        path.join(folder, "caller.mjs"),
        "export const call = (golden, text) => golden('sub/made', text);\n",
      );
      const module: unknown = await import(pathToFileURL(path.join(folder, "caller.mjs")).href);
      const { call } = module as { call: (g: typeof golden, text: string) => void };
      process.env["UPDATE_GOLDEN"] = "1";
      call(golden, "made\n");
      delete process.env["UPDATE_GOLDEN"];
      call(golden, "made\n");
      expect(() => call(golden, "other\n")).toThrow(/sub\/made\.golden differs/);
    } finally {
      if (before !== undefined) process.env["UPDATE_GOLDEN"] = before;
      rmSync(folder, { recursive: true });
    }
  });
});

test.each([
  ["equal texts", "a\n", "a\n", ""],
  ["a line added at the end", "a\n", "a\nb\n", "at line 2 (- golden, + got)\n  a\n+ b\n  "],
  ["a line removed in the middle", "a\nb\nc", "a\nc", "at line 2 (- golden, + got)\n  a\n- b\n  c"],
])("difference of %s", (_name, want, got, text) => expect(describeDifference(want, got)).toBe(text));
