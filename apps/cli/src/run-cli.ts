import { Code, MeshError } from "@lateen/errors";
import { type Command, EXIT, type Given, Interruption, type Terminal, UsageError } from "./command.ts";
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
  const name = commandName(parsed.path);
  const command = parsed.path.at(-1) ?? lateenctl;
  if (parsed.t === "usage-error") {
    terminal.stderr.write(`Error: ${parsed.message}\nUsage: ${usageLine(name, command)}\nSee '${name} --help'.\n`);
    return EXIT.usage;
  }
  try {
    return await untilInterrupted(command, parsed.given, terminal);
  } catch (e) {
    return failed(e, name, terminal);
  }
}

/** A command that does not clean up is left where it is, so that Ctrl-C always gives the prompt back. */
async function untilInterrupted(command: Command, given: Given, terminal: Terminal): Promise<number> {
  const { interrupted } = terminal;
  const running = command.run?.(given, terminal) ?? Promise.resolve(EXIT.ok);
  if (command.cleansUp === true) return running;
  running.catch(() => undefined); // heard by the race, unless that is over
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(interrupted.reason as Error);
  if (interrupted.aborted) stop();
  interrupted.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([running, stopped]);
  } finally {
    interrupted.removeEventListener("abort", stop);
  }
}

function failed(e: unknown, name: string, terminal: Terminal): number {
  const reason: unknown = terminal.interrupted.reason;
  if (reason instanceof Interruption) return reason.exit; // whatever failed, failed because of that
  if (e instanceof UsageError) {
    terminal.stderr.write(`Error: ${e.message}\nSee '${name} --help'.\n`);
    return EXIT.usage;
  }
  const expected = MeshError.is(e) && e.code !== Code.Bug;
  const text = expected ? e.message : e instanceof Error ? (e.stack ?? e.message) : String(e);
  terminal.stderr.write(`Error: ${text}\n`);
  const exit = MeshError.is(e) ? e.facts["exit"] : undefined;
  return typeof exit === "number" ? exit : EXIT.failed;
}
