import { describe, expect, test } from "vitest";
import type { Command } from "./command.ts";
import { parseCommand } from "./parse-command.ts";

const root: Command = {
  name: "tool",
  summary: "a tool",
  commands: [
    {
      name: "mesh",
      aliases: ["m"],
      summary: "meshes",
      commands: [
        {
          name: "up",
          summary: "bring up",
          positionals: [1, 2],
          flags: {
            file: { type: "string", short: "f", multiple: true, help: "files" },
            nodes: { type: "string", default: "2", help: "how many" },
            quiet: { type: "boolean", short: "q", help: "less" },
          },
        },
        { name: "exec", summary: "run in", positionals: [1, 1], takesCommand: true },
        { name: "keep", summary: "not for users", hidden: true },
      ],
    },
    { name: "version", summary: "the version", positionals: [0, 0] },
  ],
};
const parse = (line: string): ReturnType<typeof parseCommand> => parseCommand(root, line === "" ? [] : line.split(" "));

describe("a command", () => {
  test("is found with its words and flags, in any order", () => {
    const parsed = parse("m up one -f a --file=b -q two");
    if (parsed.t !== "run") throw new Error(parsed.t);
    expect(parsed.path.map((c) => c.name)).toEqual(["tool", "mesh", "up"]);
    const { positionals, rest } = parsed.given;
    expect({ positionals, rest }).toEqual({ positionals: ["one", "two"], rest: [] });
    expect(parsed.given.texts("file")).toEqual(["a", "b"]);
    expect([parsed.given.text("nodes"), parsed.given.on("quiet"), parsed.given.on("help")]).toEqual(["2", true, false]);
    expect(parsed.given.texts("nodes")).toEqual(["2"]);
  });

  test("has what follows -- to itself, its flags and its own -- included", () => {
    const parsed = parse("mesh exec pod -- sh -c x --help -- y");
    expect(parsed.t === "run" && parsed.given.rest).toEqual(["sh", "-c", "x", "--help", "--", "y"]);
  });

  test("that takes none has words after -- as its own, however they look", () => {
    const parsed = parse("mesh up -- -odd");
    expect(parsed.t === "run" && parsed.given.positionals).toEqual(["-odd"]);
  });

  test("--version is one", () => expect(parse("--version")).toMatchObject({ t: "run" }));
});

describe("help", () => {
  test.each([
    ["", "tool"],
    ["--help", "tool"],
    ["help", "tool"],
    ["mesh", "tool mesh"],
    ["mesh -h", "tool mesh"],
    ["help mesh up", "tool mesh up"],
    ["mesh help up", "tool mesh up"],
    ["mesh up --help", "tool mesh up"],
    ["mesh up a b c --help", "tool mesh up"],
    ["mesh exec -h", "tool mesh exec"],
  ])("%j is about %s", (line, about) => {
    const parsed = parse(line);
    expect([parsed.t, parsed.path.map((c) => c.name).join(" ")]).toEqual(["help", about]);
  });
});

describe("words that make no sense", () => {
  test.each([
    ["mehs", 'unknown command "mehs" for "tool"\n\nDid you mean this?\n\tmesh'],
    ["zzz", 'unknown command "zzz" for "tool"'],
    ["mesh kep", 'unknown command "kep" for "tool mesh"'],
    ["help mesh upp", 'unknown command "upp" for "tool mesh"\n\nDid you mean this?\n\tup'],
    ["help version x", 'unknown command "x" for "tool version"'],
    ["-q mesh", "unknown flag: -q (flags come after the command)"],
    ["mesh -q", "unknown flag: -q"],
    ["mesh up a --qiet", "unknown flag: --qiet; did you mean --quiet?"],
    ["mesh up a -z", "unknown flag: -z"],
    ["mesh up a --nodes", "flag needs an argument: --nodes"],
    ["mesh up a -f", "flag needs an argument: --file"],
    ["mesh up", "accepts 1 to 2 arguments, received 0"],
    ["mesh up a b c", "accepts 1 to 2 arguments, received 3: a b c"],
    ["version x", "accepts 0 arguments, received 1: x"],
    ["mesh exec pod", "need -- and a command"],
    ["mesh exec pod --", "need -- and a command"],
    ["mesh exec pod curl x", "need -- before the command: -- curl x"],
    ["mesh exec -- curl", "accepts 1 argument, received 0"],
  ])("%s", (line, message) => {
    expect(parse(line)).toMatchObject({ t: "usage-error", message });
  });
});
