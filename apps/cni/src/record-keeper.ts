import type { EnrolledRecord, RecordEntry } from "./enrolled-record.ts";

/** After a first change, so that the steps of one enrolment are written once. */
const DELAY_MS = 20;
/** After a write: while many pods come, the disk is not asked once for each. */
const PAUSE_MS = 100;

/**
 * Keeps the record on disk as the pods are. Written beside the loop, never by it: putting a file in the place of another may wait for
 * the disk, and every pod that is being captured would wait with it.
 */
export class RecordKeeper {
  readonly #record: EnrolledRecord;
  readonly #entries: () => readonly RecordEntry[];
  #timer: NodeJS.Timeout | null = null;
  #again = false;
  #written = "";
  /** Writes one after the other. */
  #writing: Promise<void> | null = null;
  #closed = false;

  /** @param entries what is to be on disk, as of now */
  constructor(record: EnrolledRecord, entries: () => readonly RecordEntry[]) {
    this.#record = record;
    this.#entries = entries;
  }

  /** What `entries` gives may be something else now. */
  changed(): void {
    this.#again = true;
    if (!this.#closed && this.#writing === null) this.#timer ??= setTimeout(() => this.#begin(), DELAY_MS);
  }

  /** Writes what there is now, after what is being written, and nothing more from then on. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#writing;
    await this.#write();
  }

  #begin(): void {
    this.#writing = this.#write().finally(() => {
      this.#writing = null;
      this.#timer = null;
      if (this.#closed || !this.#again) return;
      this.#timer = setTimeout(() => this.#begin(), PAUSE_MS);
    });
  }

  async #write(): Promise<void> {
    this.#again = false;
    const entries = this.#entries();
    const text = JSON.stringify(entries);
    if (text === this.#written) return;
    await this.#record.write(entries);
    this.#written = text;
  }
}
