import { PassThrough, Readable, Writable } from "node:stream";
import { Interruption, type Terminal } from "./command.ts";
import { runCli } from "./run-cli.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/**
 * Runs one command line with everything of the process replaced.
 * @param o.stdin its whole standard input; null for one that never ends
 * @param o.interrupt a signal that comes once the command has begun
 */
export async function ran(
  args: readonly string[],
  o: {
    readonly home: string;
    readonly cwd?: string;
    readonly stdin?: string | null;
    readonly interrupt?: NodeJS.Signals;
    readonly nowMs?: number;
  },
): Promise<Ran> {
  const [stdout, stderr] = [new Written(), new Written()];
  const interrupted = new AbortController();
  const terminal: Terminal = {
    env: { LATEEN_STATE_HOME: o.home },
    uid: 0,
    cwd: o.cwd ?? o.home,
    stdin: o.stdin === null ? new PassThrough() : Readable.from([o.stdin ?? ""]),
    stdout,
    stderr,
    nowMs: () => o.nowMs ?? 0,
    interrupted: interrupted.signal,
    onSignals: () => ({ [Symbol.dispose]: () => undefined }),
  };
  const running = runCli(args, terminal);
  if (o.interrupt !== undefined) interrupted.abort(new Interruption(o.interrupt));
  const code = await running;
  return { code, out: stdout.text, err: stderr.text };
}

class Written extends Writable {
  text = "";

  override _write(chunk: Uint8Array | string, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
