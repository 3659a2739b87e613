import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";

export const REPOSITORY = path.resolve(import.meta.dirname, "../..");

/** `lateenctl` of this checkout, as a command line. */
export const LATEENCTL = [
  process.execPath,
  "--conditions=lateen:source",
  path.join(REPOSITORY, "apps/cli/src/main.ts"),
] as const;

/** A program that ended, and what it said. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts `lateenctl`, with its output in pipes. */
export function startLateenctl(args: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
  const [node, ...rest] = LATEENCTL;
  return spawn(node, [...rest, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
}

/** Runs `lateenctl` to its end. @param stdin its whole standard input; without it there is none */
export function lateenctl(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  stdin?: string,
): Promise<Ended> {
  if (stdin === undefined) return ended(startLateenctl(args, env));
  const [node, ...rest] = LATEENCTL;
  const child = spawn(node, [...rest, ...args], { env, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => undefined); // it ended without reading it all: its output says why
  child.stdin.end(stdin);
  return ended(child);
}

/** Waits for the end of a program whose output is in pipes. */
export async function ended(child: ChildProcess): Promise<Ended> {
  const said = (stream: ChildProcess["stdout"]): Promise<string> =>
    stream === null ? Promise.resolve("") : text(stream);
  const [[code, signal], stdout, stderr] = await Promise.all([
    once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>,
    said(child.stdout),
    said(child.stderr),
  ]);
  return { code, signal, stdout, stderr };
}
