import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { SuiteResult } from "./suite-result.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "lateen-vectors-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function run(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  const main = new URL("./main.ts", import.meta.url).pathname;
  const { LATEEN_VECTORS: _, ...clean } = process.env;
  return new Promise((resolve) => {
    const options = { env: { ...clean, ...env }, timeout: 60_000 };
    execFile(process.execPath, ["--conditions=lateen:source", main, ...args], options, (error, out, err) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err }),
    );
  });
}

test("without a folder, and with words it does not know, it says how to call it", async () => {
  const none = await run([]);
  expect([none.code, none.err]).toEqual([2, expect.stringContaining("give --dir DIR or set LATEEN_VECTORS")]);
  const odd = await run(["--directory", "x"]);
  expect([odd.code, odd.err]).toEqual([2, expect.stringContaining("usage: npm run vectors")]);
});

test("it judges the suites asked for, by the product, and writes what it found", async () => {
  const parse = (id: string, valid: boolean): object => ({
    name: id,
    input: { op: "parseId", id },
    expected: { valid },
  });
  const cases = [parse("spiffe://td/a", true), parse("spiffe://TD/a", false), parse("spiffe://td/a/", true)];
  await writeFile(join(dir, "spiffe-id.json"), JSON.stringify({ cases }));
  const json = join(dir, "out.json");
  const r = await run(["--suite", "spiffe-id", "--json", json], { LATEEN_VECTORS: dir });
  expect(r.code).toBe(1);
  expect(r.out).toContain("CLAIMED failed: spiffe-id [parseId] spiffe://td/a/");
  const [result, ...more] = JSON.parse(await readFile(json, "utf8")) as readonly SuiteResult[];
  expect(result).toMatchObject({
    suite: "spiffe-id",
    passed: 2,
    failed: 1,
    unsupported: 0,
    total: 3,
    failures: [{ name: "spiffe://td/a/" }],
  });
  expect(more).toEqual([]);
  await writeFile(join(dir, "spiffe-id.json"), JSON.stringify({ cases: cases.slice(0, 2) }));
  expect((await run(["--dir", dir, "--suite", "spiffe-id.json"])).code).toBe(0);
});
