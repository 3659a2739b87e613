import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { golden } from "@lateen/testkit";
import { afterAll, describe, expect, test } from "vitest";
import type { Command } from "./command.ts";
import { lateenctl } from "./lateenctl.ts";
import { type Ran, ran } from "./terminal.test.support.ts";

const home = mkdtempSync(join(tmpdir(), "lateen-cli-"));
afterAll(() => rmSync(home, { recursive: true }));
const run = (line: string, o: Partial<Parameters<typeof ran>[1]> = {}): Promise<Ran> =>
  ran(line.split(" ").filter(Boolean), { home, ...o });

/** Every command that users see, as they type it. */
function paths(command: Command, words: readonly string[] = []): string[] {
  const below = (command.commands ?? []).filter((c) => c.hidden !== true);
  return [words.join(" "), ...below.flatMap((c) => paths(c, [...words, c.name]))];
}

describe("help", () => {
  test("of every command", async () => {
    const texts: string[] = [];
    for (const path of paths(lateenctl)) {
      const { code, out, err } = await run(`${path} --help`);
      expect([code, err]).toEqual([0, ""]);
      texts.push(`$ lateenctl ${path} --help`.replace("  ", " "), out);
    }
    golden("help", texts.join("\n"));
  });

  test("fits a terminal of 132 columns", async () => {
    for (const path of paths(lateenctl))
      for (const line of (await run(`${path} --help`)).out.split("\n")) expect(line.length).toBeLessThanOrEqual(132);
  });

  test("every flag says what it does, and no two of a command are alike", () => {
    const all = (c: Command): readonly Command[] => [c, ...(c.commands ?? []).flatMap(all)];
    for (const command of all(lateenctl)) {
      const flags = Object.values(command.flags ?? {});
      for (const f of flags) expect(f.help).toMatch(/^\S.{3,}/);
      const shorts = ["h", ...flags.flatMap((f) => f.short ?? [])];
      expect(new Set(shorts).size, command.name).toBe(shorts.length);
    }
  });
});

describe("words that make no sense exit with 64, on standard error only", () => {
  test.each([
    ["locl", 'unknown command "locl"'],
    ["local up", "required flag --filename (-f) not set"],
    ["local up -f . --nodes 0", 'invalid argument "0" for --nodes: need a whole number above 0'],
    ["local up -f . --nodes 99", 'invalid argument "99" for --nodes: at most 16'],
    ["local up -f . --timeout soon", 'invalid argument "soon" for --timeout'],
    ["local status -o xml", 'invalid argument "xml" for --output: need short, json or yaml'],
    ["local run -- true", "required flag --as not set: need NAMESPACE/SERVICEACCOUNT"],
    ["local run --as shop -- true", 'invalid argument "shop" for --as: need NAMESPACE/SERVICEACCOUNT'],
    ["local run --as a/b/c -- true", 'invalid argument "a/b/c" for --as'],
    ["local run --as a/b", "need -- and a command"],
    ["local run --as a/b curl x", "need -- before the command: -- curl x"],
    ["local exec", "need -- and a command"],
    ["local logs", "accepts 1 argument, received 0"],
    ["local logs x --tail y", 'invalid argument "y" for --tail: need a number of lines'],
    ["local port-forward x", "accepts 2 to 16 arguments, received 1"],
    ["local port-forward x 70000", 'invalid argument "70000": need [LOCAL:]REMOTE'],
    ["local apply", "required flag --filename (-f) not set"],
    ["local delete", "need --filename (-f), KIND NAME or KIND/NAME"],
    ["local delete -f x ap/y", "only one of --filename (-f) and names may be given"],
    ["explain a", "accepts 2 arguments, received 1: a"],
    ["explain a b -o table", 'invalid argument "table" for --output'],
    ["version -o table", 'invalid argument "table" for --output: need json or yaml'],
    ["zc w --node a --file b", "at most one of --file, --node and a pod may be given"],
    ["zc w -o wide", 'invalid argument "wide" for --output'],
    ["zc connections --direction up", 'invalid argument "up" for --direction'],
    ["zc log --level debg", 'did you mean "debug"?'],
    ["zc log --level debug --reset", "only one of --level and --reset may be given"],
  ])("%s", async (line, message) => {
    const { code, out, err } = await run(line);
    expect({ code, out }).toEqual({ code: 64, out: "" });
    expect(err).toMatch(/^Error: /);
    expect(err).toContain(message);
    expect(err).toMatch(/See 'lateenctl.* --help'\.\n$/);
  });
});

describe("without a running mesh", () => {
  test.each([
    "local status",
    "local run --as a/b -- true",
    "local exec a -- true",
    "local logs a",
    "local port-forward a 1",
    "local delete ap/x",
    "explain a b:1",
    "zc workloads",
    "zc log",
  ])("%s says so, and what to do", async (line) => {
    expect(await run(line)).toEqual({
      code: 1,
      out: "",
      err: 'Error: Cannot reach mesh "default": it is not running; start it with `lateenctl local up -f DIR`\n',
    });
  });

  test("another mesh is started by its name", async () => {
    expect((await run("local status --mesh blue")).err).toContain("`lateenctl local up -f DIR --mesh blue`");
  });

  test("down is content, and the daemon's log is empty", async () => {
    expect(await run("local down")).toEqual({ code: 0, out: "mesh default is not running\n", err: "" });
    expect(await run("local logs daemon")).toEqual({ code: 0, out: "", err: "" });
  });

  test.each([
    ["local up -f nowhere", /^Error: Cannot read manifests from ".*\/nowhere": there is no such folder\n$/],
    ["local up -f file", /: it is not a folder\n$/],
    ["local status --mesh No", /^Error: Cannot use mesh name "No": need up to 32 of a-z, 0-9 and -\n$/],
  ])("%s", async (line, message) => {
    writeFileSync(join(home, "file"), "");
    const { code, err } = await run(line);
    expect([code, err]).toEqual([1, expect.stringMatching(message)]);
  });
});

describe("manifests are checked before the mesh is asked", () => {
  const folder = join(home, "manifests");
  mkdirSync(join(folder, "empty"), { recursive: true });
  writeFileSync(join(folder, "good.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: { name: shop }\n");
  writeFileSync(join(folder, "bad.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: { name: Shop }\n");
  writeFileSync(join(folder, "worse.yaml"), "kind: [\n");

  test.each([
    [
      "local apply -f bad.yaml",
      /^Error: Cannot apply: bad\.yaml:3: Namespace Shop: metadata\.name: must be lower-case/,
    ],
    [
      "local apply -f good.yaml -f bad.yaml -f worse.yaml",
      /^Error: Cannot apply:\n {2}bad\.yaml:3: .*\n {2}worse\.yaml:2: is not YAML/,
    ],
    ["local delete -f bad.yaml", /^Error: Cannot delete: bad\.yaml:3: /],
    ["local apply -f nope.yaml", /^Error: Cannot read "nope\.yaml": there is no such file\n$/],
    ["local apply -f empty", /^Error: Cannot read "empty": the folder has no \.yaml, \.yml or \.json file\n$/],
    ["local apply -f -", /^Error: Cannot apply: standard input:1: Namespace shop: apiVersion: is missing\n$/],
    ["local apply -f good.yaml", /^Error: Cannot reach mesh/],
  ])("%s", async (line, message) => {
    const { code, out, err } = await run(line, { cwd: folder, stdin: "kind: Namespace\nmetadata: { name: shop }\n" });
    expect([code, out, err]).toEqual([1, "", expect.stringMatching(message)]);
  });

  test("an input without objects is none", async () => {
    expect((await run("local apply -f -", { stdin: "# nothing\n" })).err).toBe(
      "Error: Cannot apply: there is no object in standard input\n",
    );
  });
});

describe("Ctrl-C", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s gives the prompt back from a command that waits, with %i", async (interrupt, code) => {
    expect(await run("local apply -f -", { stdin: null, interrupt })).toEqual({ code, out: "", err: "" });
  });
});

test("version", async () => {
  expect(await run("version")).toMatchObject({ code: 0, out: expect.stringMatching(/^client version: \d/) });
  expect((await run("--version")).out).toBe((await run("version")).out);
  expect(JSON.parse((await run("version -o json")).out)).toMatchObject({
    clientVersion: { version: expect.any(String) },
  });
  expect((await run("version -o yaml")).out).toMatch(/^clientVersion:\n {2}version: /);
});
