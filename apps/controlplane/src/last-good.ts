import { readFile } from "node:fs/promises";
import { replaceFile } from "@lateen/ca";
import { type Manifest, type Snapshot, formatKept, parseKept } from "@lateen/manifests";
import { isStandIn } from "@lateen/resources";
import type { Logger } from "@lateen/telemetry";

/** What restricts: without it a workload is open to everybody. */
const KINDS: ReadonlySet<string> = new Set(["AuthorizationPolicy", "PeerAuthentication"]);

/**
 * The policies in force, kept on disk. When the control plane starts while the file of a policy is broken, it would otherwise
 * start without the policy, and so open what was closed.
 */
export class LastGood implements AsyncDisposable {
  readonly #path: string;
  readonly #log: Pick<Logger, "warn" | "error">;
  /** What is on disk, as far as we know. */
  #written: string | null = null;
  #wanted: string | null = null;
  #writing: Promise<void> | null = null;

  constructor(path: string, log: Pick<Logger, "warn" | "error">) {
    this.#path = path;
    this.#log = log;
  }

  /** What the run before left; nothing when it left nothing that can be read. */
  async load(): Promise<readonly Manifest[]> {
    try {
      const text = await readFile(this.#path, "utf8");
      const kept = parseKept(text);
      if (!kept.ok) throw kept.error;
      this.#written = text;
      return kept.value;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT"))
        this.#log.warn("cannot read the policies of the run before", { file: this.#path, error: firstLine(error) });
      return [];
    }
  }

  /** Writes in the background; of several states that come meanwhile only the newest is written. */
  keep(snapshot: Snapshot): void {
    const manifests = [...snapshot.resources.values()].filter(
      ({ resource }) => KINDS.has(resource.kind) && !isStandIn(resource),
    );
    this.#wanted = formatKept(manifests);
    if (this.#writing === null && this.#wanted !== this.#written) this.#writing = this.#write();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    for (let text = this.#wanted; text !== null && text !== this.#written; text = this.#wanted) {
      try {
        await replaceFile(this.#path, text, 0o600);
        this.#written = text;
      } catch (error) {
        this.#log.error("cannot keep the policies in force for the next start", { error: firstLine(error) });
        break; // the next change tries again
      }
    }
    this.#writing = null;
  }
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").slice(0, 300);
