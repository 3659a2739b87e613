import { parseArgs } from "node:util";
import type { Command, Flag, Given } from "./command.ts";
import { nearest } from "@lateen/errors";

/** What the words of a command line stand for. */
export type ParsedCommand =
  | { readonly t: "run"; readonly path: readonly Command[]; readonly given: Given }
  | { readonly t: "help"; readonly path: readonly Command[] }
  | { readonly t: "usage-error"; readonly path: readonly Command[]; readonly message: string };

const HELP: Flag = { type: "boolean", short: "h", help: "show this help" };

/** Follows the words down the tree of commands, then reads the flags of the one found. Pure. */
export function parseCommand(root: Command, args: readonly string[]): ParsedCommand {
  const path: Command[] = [root];
  let at = 0;
  for (;;) {
    const group = path.at(-1) ?? root;
    if (group.commands === undefined) return parseFlags(path, args.slice(at));
    const word = path.length === 1 && args[at] === "--version" ? "version" : args[at];
    if (word === undefined || word === "--help" || word === "-h") return { t: "help", path };
    if (word === "help") return helpFor(path, args.slice(at + 1));
    if (word.startsWith("-")) {
      const after = path.length === 1 ? " (flags come after the command)" : "";
      return { t: "usage-error", path, message: `unknown flag: ${word}${after}` };
    }
    const next = named(group, word);
    if (next === undefined) return { t: "usage-error", path, message: unknownCommand(path, word) };
    path.push(next);
    at += 1;
  }
}

function named(group: Command, word: string): Command | undefined {
  return group.commands?.find((c) => c.name === word || c.aliases?.includes(word));
}

function helpFor(path: readonly Command[], words: readonly string[]): ParsedCommand {
  const followed = [...path];
  for (const word of words) {
    const group = followed.at(-1);
    const next = group === undefined ? undefined : named(group, word);
    if (next === undefined) return { t: "usage-error", path: followed, message: unknownCommand(followed, word) };
    followed.push(next);
  }
  return { t: "help", path: followed };
}

export function commandName(path: readonly Command[]): string {
  return path.map((c) => c.name).join(" ");
}

function unknownCommand(path: readonly Command[], word: string): string {
  const shown = (path.at(-1)?.commands ?? []).filter((c) => c.hidden !== true);
  const close = nearest(word, [...shown.map((c) => c.name), ...shown.flatMap((c) => c.aliases ?? [])]);
  const meant = close === null ? "" : `\n\nDid you mean this?\n\t${close}`;
  return `unknown command "${word}" for "${commandName(path)}"${meant}`;
}

function parseFlags(path: readonly Command[], args: readonly string[]): ParsedCommand {
  const command = path.at(-1);
  const flags: Readonly<Record<string, Flag>> = { ...command?.flags, help: HELP };
  const cut = args.indexOf("--");
  const before = cut < 0 ? args : args.slice(0, cut);
  const after = cut < 0 ? [] : args.slice(cut + 1);
  try {
    const options = Object.fromEntries(Object.entries(flags).map(([name, f]) => [name, option(f)]));
    const parsed = parseArgs({ args: [...before], options, allowPositionals: true, strict: true });
    if (parsed.values["help"] === true) return { t: "help", path };
    const takesCommand = command?.takesCommand === true;
    const positionals = takesCommand ? parsed.positionals : [...parsed.positionals, ...after];
    const rest = takesCommand ? after : [];
    const message = wrongWords(command, positionals, rest);
    if (message !== null) return { t: "usage-error", path, message };
    return { t: "run", path, given: givenOf(parsed.values, positionals, rest) };
  } catch (e) {
    return { t: "usage-error", path, message: flagMessage(e, Object.keys(flags)) };
  }
}

function option(f: Flag): {
  type: "string" | "boolean";
  short?: string;
  multiple?: boolean;
  default?: string | boolean;
} {
  return {
    type: f.type,
    ...(f.short === undefined ? {} : { short: f.short }),
    ...(f.multiple === true ? { multiple: true } : {}),
    ...(f.default === undefined ? {} : { default: f.default }),
  };
}

function wrongWords(
  command: Command | undefined,
  positionals: readonly string[],
  rest: readonly string[],
): string | null {
  const [min, max] = command?.positionals ?? [0, Infinity];
  const got = positionals.length;
  if (command?.takesCommand === true && rest.length === 0)
    return got > max ? `need -- before the command: -- ${positionals.slice(max).join(" ")}` : "need -- and a command";
  if (got >= min && got <= max) return null;
  const want = min === max ? String(min) : max === Infinity ? `at least ${min}` : `${min} to ${max}`;
  return `accepts ${want} argument${want === "1" ? "" : "s"}, received ${got}: ${positionals.join(" ")}`.replace(
    /: $/,
    "",
  );
}

type Values = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;

function givenOf(values: Values, positionals: readonly string[], rest: readonly string[]): Given {
  const text = (flag: string): string => {
    const v = values[flag];
    return typeof v === "string" ? v : "";
  };
  return {
    positionals,
    rest,
    text,
    texts: (flag) => {
      const v = values[flag];
      return Array.isArray(v) ? v.map(String) : text(flag) === "" ? [] : [text(flag)];
    },
    on: (flag) => values[flag] === true,
  };
}

function flagMessage(e: unknown, known: readonly string[]): string {
  const text = e instanceof Error ? e.message : String(e);
  const valueless = /^Option '(?:-\w, )?(-+[\w-]+) <value>' argument missing/.exec(text);
  if (valueless !== null) return `flag needs an argument: ${valueless[1] ?? ""}`;
  const unknown = /^Unknown option '(-+)([^']*)'/.exec(text);
  if (unknown === null) return text.split(". ")[0] ?? text;
  const close = nearest(unknown[2] ?? "", known);
  return `unknown flag: ${unknown[1] ?? ""}${unknown[2] ?? ""}${close === null ? "" : `; did you mean --${close}?`}`;
}
