import { type Problem, formatProblem } from "@lateen/manifests";
import type { Logger } from "@lateen/telemetry";

/** Lines logged of one change; the rest is counted. */
const MAX_LINES = 50;

/** Logs each problem once when it appears, and that it is gone. */
export class ProblemLog {
  readonly #log: Pick<Logger, "info" | "warn" | "error">;
  #known: ReadonlySet<string> = new Set();

  constructor(log: Pick<Logger, "info" | "warn" | "error">) {
    this.#log = log;
  }

  /** @param problems all that there are now */
  report(problems: readonly Problem[]): void {
    const now = new Map(problems.map((p) => [formatProblem(p), p.severity]));
    const fresh = [...now].filter(([line]) => !this.#known.has(line));
    for (const [line, severity] of fresh.slice(0, MAX_LINES))
      if (severity === "error") this.#log.error(line);
      else this.#log.warn(line);
    if (fresh.length > MAX_LINES)
      this.#log.error("more problems in the configuration", { more: fresh.length - MAX_LINES });
    for (const line of [...this.#known].filter((l) => !now.has(l)).slice(0, MAX_LINES))
      this.#log.info("mended", { problem: line });
    this.#known = new Set(now.keys());
  }
}
