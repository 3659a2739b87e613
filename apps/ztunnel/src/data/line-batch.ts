import type { Cancel, DataPath } from "@lateen/datapath";
import type { FromThread } from "../messages.ts";

interface Outlet {
  readonly path: Pick<DataPath, "defer" | "after" | "nowMs">;
  readonly post: (message: FromThread) => void;
}

/** Between two messages of a busy log: a message costs more than many lines, and wakes the other thread. */
const PAUSE_MS = 16;

/** Sends log lines together: those of one turn of the loop at once, those of the turns right after it a little later. */
export class LineBatch {
  readonly #outlet: Outlet;
  #lines: string[] = [];
  #sentMs = -Infinity;
  /** Undoes the timer, while one runs. */
  #cancel: Cancel | null = null;

  constructor(outlet: Outlet) {
    this.#outlet = outlet;
  }

  add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > 1) return;
    const { path } = this.#outlet;
    if (path.nowMs() - this.#sentMs >= PAUSE_MS) path.defer(() => this.flush());
    else this.#cancel = path.after(PAUSE_MS, () => this.flush());
  }

  /** Sends what there is now, as before the thread ends. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = null;
    if (this.#lines.length === 0) return;
    const lines = this.#lines;
    this.#lines = [];
    this.#sentMs = this.#outlet.path.nowMs();
    this.#outlet.post({ t: "log", lines });
  }
}
