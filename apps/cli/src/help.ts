import type { Command, Flag } from "./command.ts";
import { commandName } from "./parse-command.ts";

/** The help of the command at the end of `path`. */
export function renderHelp(path: readonly Command[]): string {
  const command = path.at(-1);
  if (command === undefined) return "";
  const name = commandName(path);
  const parts = [
    [capital(command.summary) + ".", ...(command.about === undefined ? [] : ["", command.about])],
    ["Usage:", `  ${usageLine(name, command)}`],
    section("Aliases:", command.aliases === undefined ? [] : [`  ${[command.name, ...command.aliases].join(", ")}`]),
    section(
      "Examples:",
      (command.examples ?? []).map((e) => `  ${e}`),
    ),
    section("Commands:", columns(listed(command).map((c) => [c.name, c.summary]))),
    section("Flags:", columns(flagRows(command))),
  ];
  const text = parts
    .filter((p) => p.length > 0)
    .map((p) => p.join("\n"))
    .join("\n\n");
  const more = command.commands === undefined ? "" : `\n\nUse "${name} COMMAND --help" for more about a command.`;
  return `${text}${more}\n`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const listed = (c: Command): readonly Command[] => (c.commands ?? []).filter((x) => x.hidden !== true);
const section = (title: string, lines: readonly string[]): readonly string[] =>
  lines.length === 0 ? [] : [title, ...lines];

export function usageLine(name: string, command: Command): string {
  if (command.commands !== undefined) return `${name} COMMAND`;
  const flags = command.flags === undefined ? "" : " [flags]";
  return `${name}${flags}${command.usage === undefined ? "" : ` ${command.usage}`}`;
}

function flagRows(command: Command): readonly (readonly [string, string])[] {
  if (command.commands !== undefined) return [];
  const flags: readonly (readonly [string, Flag])[] = [
    ...Object.entries(command.flags ?? {}),
    ["help", { type: "boolean", short: "h", help: "show this help" }],
  ];
  return flags.map(([name, f]) => {
    const short = f.short === undefined ? "    " : `-${f.short}, `;
    const value = f.type === "string" ? ` ${f.value ?? "VALUE"}` : "";
    const otherwise = typeof f.default === "string" && f.default !== "" ? ` (default ${shown(f.default)})` : "";
    return [`${short}--${name}${value}`, `${f.help}${otherwise}`] as const;
  });
}

/** As Go's flags are shown, which users of Kubernetes know: text in quotes, numbers without. */
const shown = (value: string): string => (/^\d+$/.test(value) ? value : JSON.stringify(value));

function columns(rows: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}   ${text}`);
}
