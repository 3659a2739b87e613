import { renameSync, writeFileSync } from "node:fs";
import path from "node:path";

/** A thread throws out of whatever it runs, ends by itself as if all were well, or uses all the memory that it may have. */
export type ThreadEnd = "throw" | "exit" | "memory";

/**
 * Ends single worker threads of a program under test, which knows nothing of it: no signal ends one thread alone. Start the program
 * with `nodeOptions` among its NODE_OPTIONS. A thread obeys when it next asks `performance.now()`, as a loop with timers keeps doing.
 */
export class ThreadEnds {
  readonly #folder: string;

  /** @param folder of this alone, which the program can read and write */
  constructor(folder: string) {
    this.#folder = folder;
  }

  get nodeOptions(): string {
    const preload = new URL("./thread-ends-preload.ts", import.meta.url);
    preload.searchParams.set("folder", this.#folder);
    return `--import=${preload.href}`;
  }

  /** @param worker number of the worker in its process, from 1, in the order in which they were started */
  order(pid: number, worker: number, how: ThreadEnd): void {
    this.#write(`${pid}-${worker}`, how);
  }

  /** The next worker of that number that starts, in whichever process, ends before it runs anything of its own. */
  orderAtStart(worker: number, how: ThreadEnd): void {
    this.#write(`start-${worker}`, how);
  }

  /** Whole or not at all: threads look at any time. */
  #write(name: string, how: ThreadEnd): void {
    const file = path.join(this.#folder, name);
    writeFileSync(`${file}.new`, how);
    renameSync(`${file}.new`, file);
  }
}
