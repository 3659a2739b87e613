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
    const word = args[at];
    if (word === undefined || word === "--help" || word === "-h" || word === "help") {
      const deeper = word === "help" ? followed(group, args.slice(at + 1)) : [];
      return { t: "help", path: [...path, ...deeper] };
    }
    if (word.startsWith("-")) return { t: "usage-error", path, message: `unknown flag: ${word}` };
    const next = group.commands.find((c) => c.name === word || c.aliases?.includes(word));
    if (next === undefined) return { t: "usage-error", path, message: unknownCommand(path, word) };
    path.push(next);
    at += 1;
  }
}

function followed(group: Command, words: readonly string[]): Command[] {
  const [word, ...rest] = words;
  const next = group.commands?.find((c) => c.name === word || c.aliases?.includes(word ?? ""));
  return next === undefined ? [] : [next, ...followed(next, rest)];
}

export function commandName(path: readonly Command[]): string {
  return path.map((c) => c.name).join(" ");
}

function unknownCommand(path: readonly Command[], word: string): string {
  const names = (path.at(-1)?.commands ?? []).filter((c) => c.hidden !== true).map((c) => c.name);
  const close = nearest(word, names);
  const meant = close === null ? "" : `\n\nDid you mean this?\n\t${close}`;
  return `unknown command "${word}" for "${commandName(path)}"${meant}`;
}

function parseFlags(path: readonly Command[], args: readonly string[]): ParsedCommand {
  const command = path.at(-1);
  const flags: Readonly<Record<string, Flag>> = { ...command?.flags, help: HELP };
  const cut = args.indexOf("--");
  const before = cut < 0 ? args : args.slice(0, cut);
  const rest = cut < 0 ? [] : args.slice(cut + 1);
  try {
    const options = Object.fromEntries(Object.entries(flags).map(([name, f]) => [name, option(f)]));
    const { values, positionals } = parseArgs({ args: [...before], options, allowPositionals: true, strict: true });
    if (values["help"] === true) return { t: "help", path };
    const [min, max] = command?.positionals ?? [0, Infinity];
    if (positionals.length < min || positionals.length > max)
      return { t: "usage-error", path, message: wrongCount(positionals.length, min, max) };
    return { t: "run", path, given: givenOf(values, positionals, rest) };
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

function wrongCount(got: number, min: number, max: number): string {
  const want = min === max ? String(min) : max === Infinity ? `at least ${min}` : `${min} to ${max}`;
  return `accepts ${want} argument${want === "1" ? "" : "s"}, received ${got}`;
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
  const unknown = /^Unknown option '(-+)([^']*)'/.exec(text);
  if (unknown === null) return text.split(". ")[0] ?? text;
  const close = nearest(unknown[2] ?? "", known);
  return `unknown flag: ${unknown[1] ?? ""}${unknown[2] ?? ""}${close === null ? "" : `; did you mean --${close}?`}`;
}
