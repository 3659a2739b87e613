import type { DataPath } from "@lateen/datapath";
import type { FromThread } from "../messages.ts";

interface Outlet {
  readonly path: Pick<DataPath, "defer">;
  readonly post: (message: FromThread) => void;
}

/** Sends the log lines of one turn of the loop together: a message costs more than the line in it. */
export class LineBatch {
  readonly #outlet: Outlet;
  #lines: string[] = [];

  constructor(outlet: Outlet) {
    this.#outlet = outlet;
  }

  add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length === 1) this.#outlet.path.defer(() => this.#send());
  }

  #send(): void {
    const lines = this.#lines;
    this.#lines = [];
    this.#outlet.post({ t: "log", lines });
  }
}
