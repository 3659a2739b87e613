import { MeshError } from "@lateen/errors";
import { EXIT, type Terminal, UsageError } from "./command.ts";
import { renderHelp, usageLine } from "./help.ts";
import { lateenctl } from "./lateenctl.ts";
import { commandName, parseCommand } from "./parse-command.ts";

/**
 * Runs one command line. The only place where an error becomes an exit code.
 * @returns the exit code @see cli-and-chart 1.1.3
 */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  const parsed = parseCommand(lateenctl, args);
  if (parsed.t === "help") {
    terminal.stdout.write(renderHelp(parsed.path));
    return EXIT.ok;
  }
  if (parsed.t === "usage-error") {
    const name = commandName(parsed.path);
    const last = parsed.path.at(-1) ?? lateenctl;
    terminal.stderr.write(`Error: ${parsed.message}\nUsage: ${usageLine(name, last)}\nSee '${name} --help'.\n`);
    return EXIT.usage;
  }
  try {
    const command = parsed.path.at(-1);
    return (await command?.run?.(parsed.given, terminal)) ?? EXIT.ok;
  } catch (e) {
    if (e instanceof UsageError) {
      terminal.stderr.write(`Error: ${e.message}\nSee '${commandName(parsed.path)} --help'.\n`);
      return EXIT.usage;
    }
    const text = MeshError.is(e) ? e.message : e instanceof Error ? (e.stack ?? e.message) : String(e);
    terminal.stderr.write(`Error: ${text}\n`);
    return EXIT.failed;
  }
}
