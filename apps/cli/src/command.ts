import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";

/** What a command does its work with; nothing else of the process is touched. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly cwd: string;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly nowMs: () => number;
  /** Aborted by SIGINT, SIGTERM and SIGHUP with an `Interruption`, unless the command takes them itself. */
  readonly interrupted: AbortSignal;
  /** Calls `hear` for each of these signals instead of ending, until disposed. */
  readonly onSignals: (names: readonly NodeJS.Signals[], hear: (name: NodeJS.Signals) => void) => Disposable;
}

/** A flag of a command. */
export interface Flag {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  readonly default?: string | boolean;
  /** How help names the value. */
  readonly value?: string;
  readonly help: string;
}

/** What the user gave. */
export interface Given {
  readonly positionals: readonly string[];
  /** What followed `--`. */
  readonly rest: readonly string[];
  text(flag: string): string;
  texts(flag: string): readonly string[];
  on(flag: string): boolean;
}

/** A command, or a group of them. */
export interface Command {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** One line. */
  readonly summary: string;
  /** What follows the command's name in its usage line. */
  readonly usage?: string;
  /** Further paragraphs of the help. */
  readonly about?: string;
  readonly examples?: readonly string[];
  readonly flags?: Readonly<Record<string, Flag>>;
  /** How many positionals; any when left out. */
  readonly positionals?: readonly [min: number, max: number];
  /** `-- COMMAND` must follow. Without it, what follows `--` is one more positional. */
  readonly takesCommand?: true;
  /** It hears `terminal.interrupted` and ends in its own way. Others are abandoned where they are. */
  readonly cleansUp?: true;
  /** Commands that are no words of the user's, such as the keeper's. */
  readonly hidden?: true;
  readonly commands?: readonly Command[];
  readonly run?: (given: Given, terminal: Terminal) => Promise<number>;
}

/** As sysexits has it, and as the contract asks. @see cli-and-chart 1.1.3 */
export const EXIT = { ok: 0, failed: 1, usage: 64 } as const;

/** A signal asked for the end. */
export class Interruption extends Error {
  override readonly name = "Interruption";
  /** As a shell counts it. */
  readonly exit: number;

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
    this.exit = 128 + constants.signals[signal];
  }
}

/** The words of the command line make no sense together. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
