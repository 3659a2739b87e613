import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Claim } from "./claims.ts";
import { failureLines, suiteLine, summaryLine } from "./report.ts";
import { exitCode, runVectors } from "./run-vectors.ts";
import { type SuiteDriver, compare, unsupported } from "./suite-driver.ts";
import type { SuiteResult } from "./suite-result.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "lateen-vectors-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** Doubles numbers; knows no other operation. */
const numbers: SuiteDriver = {
  suite: "numbers",
  async judge(c, file) {
    if (c.input["op"] === "broken") throw new Error("driver fell over");
    if (c.input["op"] !== "double") return unsupported("no such operation");
    await Promise.resolve();
    const factor = Number(file.raw["factor"] ?? 2);
    return compare({ result: Number(c.input["n"]) * factor }, c.expected);
  },
};
const double = (n: number, result: number): object => ({
  name: `double ${n}`,
  input: { op: "double", n },
  expected: { result },
});
const other = { name: "halve", input: { op: "halve" }, expected: {} };

async function write(suite: string, content: unknown): Promise<void> {
  await writeFile(join(dir, `${suite}.json`), typeof content === "string" ? content : JSON.stringify(content));
}
interface Options {
  readonly suites?: readonly string[];
  readonly claims?: readonly Claim[];
  readonly folder?: string;
}
async function run(o: Options = {}): Promise<{ readonly code: number; readonly results: readonly SuiteResult[] }> {
  const suites = o.suites ?? [];
  const r = await runVectors({ dir: o.folder ?? dir, suites, drivers: [numbers], claims: o.claims ?? [] });
  if (!r.ok) throw r.error;
  return { code: exitCode(r.value, suites), results: r.value };
}
const ALL: readonly Claim[] = [{ suite: "numbers" }];

describe("exit code", () => {
  for (const [name, cases, claims, code] of [
    ["all of a claimed suite pass", [double(1, 2)], ALL, 0],
    ["a claimed case fails", [double(1, 2), double(1, 3)], ALL, 1],
    ["a claimed case is unsupported", [double(1, 2), other], ALL, 1],
    ["a case that is not claimed fails", [double(1, 3)], [], 0],
    ["only kinds that are not claimed fail", [double(1, 2), other], [{ suite: "numbers", kinds: ["double"] }], 0],
    ["a claimed kind fails", [double(1, 3)], [{ suite: "numbers", kinds: ["double"] }], 1],
    ["a claimed kind has no case", [double(1, 2)], [{ suite: "numbers", kinds: ["double", "triple"] }], 0],
    ["the driver throws on a claimed case", [{ ...other, input: { op: "broken" } }], ALL, 1],
    ["a case of a partly claimed suite is malformed", [{ name: "x" }], [{ suite: "numbers", kinds: ["double"] }], 1],
  ] as const)
    test(`${code} when ${name}`, async () => {
      await write("numbers", { suite: "anything", cases });
      expect((await run({ claims })).code).toBe(code);
    });

  test("1 when the file of a claimed suite is missing", async () => expect((await run({ claims: ALL })).code).toBe(1));
  test("1 when a suite asked for is missing", async () => expect((await run({ suites: ["nothing"] })).code).toBe(1));
  test("0 when a claimed suite is missing but was not asked for", async () => {
    await write("strange", { cases: [] });
    expect((await run({ suites: ["strange"], claims: ALL })).code).toBe(0);
  });
  for (const [name, content] of [
    ["is not JSON", "{"],
    ["is not an object", "[]"],
    ["has no cases", "{}"],
    ["has cases that are no list", { cases: {} }],
  ] as const)
    test(`a file that ${name} breaks a claim, and is no more than a line without one`, async () => {
      await write("numbers", content);
      const claimed = await run({ claims: ALL });
      expect([claimed.code, claimed.results[0]?.problem]).toEqual([1, expect.stringContaining("numbers.json")]);
      expect((await run()).code).toBe(0);
    });
});

test("a result counts, per suite and kind, and keeps what failed", async () => {
  await write("numbers", { cases: [double(1, 2), double(2, 5), other, 7] });
  const [result] = (await run({ claims: [{ suite: "numbers", kinds: ["double"] }] })).results;
  expect(result).toMatchObject({
    suite: "numbers",
    passed: 1,
    failed: 2,
    unsupported: 1,
    total: 4,
    broken: 2,
    claimed: ["double"],
  });
  expect(result?.kinds).toMatchObject({
    double: { passed: 1, failed: 1, total: 2 },
    halve: { unsupported: 1, total: 1 },
  });
  expect(result?.failures).toEqual([
    { name: "double 2", kind: "double", outcome: "failed", claimed: true, got: { result: 4 }, expected: { result: 5 } },
    {
      name: "cases[3] is not an object",
      kind: "malformed",
      outcome: "failed",
      claimed: true,
      why: "cases[3] is not an object",
      got: null,
      expected: null,
    },
  ]);
});

test("a file without a driver is unsupported in full", async () => {
  await write("strange", { cases: [double(1, 2), other] });
  const { code, results } = await run();
  expect([code, results[0]]).toMatchObject([0, { suite: "strange", unsupported: 2, total: 2, failures: [] }]);
  expect((await run({ claims: [{ suite: "strange" }] })).code).toBe(1);
});

test("tables beside the cases reach the driver, and another folder is judged by the same claims", async () => {
  await write("numbers", { factor: 3, cases: [double(1, 3)] });
  expect((await run({ claims: ALL })).code).toBe(0);
  const folder = join(dir, "more");
  await mkdir(folder);
  await writeFile(join(folder, "numbers.json"), JSON.stringify({ cases: [double(1, 3)] }));
  expect((await run({ claims: ALL, folder })).code).toBe(1);
});

test("a folder that cannot be listed is an error", async () => {
  const r = await runVectors({ dir: join(dir, "none"), suites: [], drivers: [], claims: [] });
  expect(r.ok ? "listed" : r.error.code).toBe("BAD_INPUT");
});

describe("the report", () => {
  test("has a line per suite, failures with got and expected, and a sum", async () => {
    await write("numbers", { cases: [double(1, 2), double(2, 5), other] });
    const { results } = await run({ claims: ALL });
    expect(suiteLine(results[0]!)).toMatch(
      /^FAIL numbers +1 passed +1 failed +1 unsupported +3 total {2}claimed: all$/,
    );
    expect(failureLines(results[0]!)).toEqual([
      "  CLAIMED failed: numbers [double] double 2",
      '    got      {"result":4}',
      '    expected {"result":5}',
      "  CLAIMED unsupported: numbers [halve] halve: no such operation",
    ]);
    expect(summaryLine(results)).toBe("1 of 3 cases passed; claims broken in numbers");
  });
  test("is bounded, and shows no control characters", async () => {
    await write("numbers", {
      cases: Array.from({ length: 50 }, (_, i) => ({ ...double(i, -1), name: `\u001b[31m${"x".repeat(1_000)}` })),
    });
    const lines = failureLines((await run()).results[0]!);
    expect(lines.at(-1)).toBe("  … and 30 more in numbers");
    expect(Math.max(...lines.map((l) => l.length))).toBeLessThan(700);
    expect(lines.join("")).not.toContain("\u001b");
  });
});

describe("compare", () => {
  for (const [name, got, expected, same] of [
    ["key order", { a: 1, b: 2 }, { b: 2, a: 1 }, true],
    ["absent and undefined", { a: 1, b: undefined }, { a: 1 }, true],
    ["null and absent", { a: null }, {}, false],
    ["a list and an object", [], {}, false],
    ["order in a list", [1, 2], [2, 1], false],
    ["a number and its text", 1, "1", false],
    ["depth", { a: [{ b: [1] }] }, { a: [{ b: [1] }] }, true],
  ] as const)
    test(`${name}: ${same ? "the same" : "different"}`, () => expect(compare(got, expected).t === "passed").toBe(same));
});

test("every driver is registered once under the name of its file, and every claim has a driver", async () => {
  const [{ drivers }, { claims }] = await Promise.all([import("./registry.ts"), import("./claims.ts")]);
  const names = drivers.map((d) => d.suite);
  expect(new Set(names).size).toBe(names.length);
  for (const claim of claims) expect(names).toContain(claim.suite);
  for (const name of names)
    expect(await readFile(new URL(`./drivers/${name}.ts`, import.meta.url), "utf8")).toContain("judge");
});
