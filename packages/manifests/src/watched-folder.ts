import { type FileState, mergeFile } from "./folder-state.ts";
import type { Problem } from "./problem.ts";
import { readManifestFile } from "./read-file.ts";
import { type FoundFile, problemOf, scanFolder } from "./scan-folder.ts";

/** A file that cannot be read may be half written: so long it keeps its last good state unreported. */
const HALF_WRITTEN_MS = 200;
/** A file changed so recently may change again within one tick of the file system's clock, unseen. */
const FRESH_MS = 50;

interface Known extends FileState {
  readonly stamp: string;
  /** Read it once more whatever its stamp says. */
  readonly again: boolean;
  /** Since when it has been broken, unreported so far; null when it is not. */
  readonly brokenSinceMs: number | null;
}

/** One folder, looked at again and again. */
export class WatchedFolder {
  readonly root: string;
  readonly #nowMs: () => number;
  #known = new Map<string, Known>();
  #problems: readonly Problem[] = [];
  #folders: readonly string[] = [];

  /** @param lastGood what the files said when somebody last knew; it counts where they say nothing valid now */
  constructor(root: string, nowMs: () => number, lastGood: ReadonlyMap<string, FileState> = new Map()) {
    this.root = root;
    this.#nowMs = nowMs;
    for (const [path, state] of lastGood)
      this.#known.set(path, { ...state, stamp: "", again: true, brokenSinceMs: null, stale: false });
  }

  get files(): ReadonlyMap<string, FileState> {
    return this.#known;
  }

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  get folders(): readonly string[] {
    return this.#folders;
  }

  /** @returns "unsettled" when it should soon be looked at again; "pending" when it also holds something back until then */
  async look(): Promise<"settled" | "unsettled" | "pending"> {
    const scan = await scanFolder(this.root);
    const known = new Map<string, Known>();
    const problems = [...scan.problems];
    for (const file of scan.files.values()) {
      const before = this.#known.get(file.path);
      if (before !== undefined && before.stamp === file.stamp && !before.again)
        known.set(file.path, { ...before, stale: false });
      else await this.#read(file, before, { known, problems });
    }
    const hidden = (path: string): boolean => scan.unreadable.some((u) => path === u || path.startsWith(`${u}/`));
    for (const [path, before] of this.#known) {
      if (known.has(path) || scan.files.has(path)) continue;
      // A file that is being renamed may be in neither place for one look; it is gone when it is missing twice.
      if (hidden(path)) known.set(path, before);
      else if (!before.stale) known.set(path, { ...before, stale: true });
    }
    this.#known = known;
    this.#problems = problems;
    this.#folders = scan.folders;
    const states = [...known.values()];
    if (states.some((s) => s.brokenSinceMs !== null || s.stale)) return "pending";
    return states.some((s) => s.again) ? "unsettled" : "settled";
  }

  async #read(
    file: FoundFile,
    before: Known | undefined,
    out: { readonly known: Map<string, Known>; readonly problems: Problem[] },
  ): Promise<void> {
    const nowMs = this.#nowMs();
    const { path, stamp } = file;
    const fresh = Math.abs(nowMs - file.mtimeMs) < FRESH_MS;
    try {
      const parsed = await readManifestFile(path);
      // Empty is how a file looks between being truncated and being written.
      const broken = parsed.incomplete || (parsed.size === 0 && (before?.objects.size ?? 0) > 0);
      const sinceMs = broken
        ? before?.stamp === stamp && before.brokenSinceMs === null
          ? -Infinity
          : (before?.brokenSinceMs ?? nowMs)
        : null;
      if (sinceMs !== null && nowMs - sinceMs < HALF_WRITTEN_MS) {
        const last = before ?? { objects: new Map(), problems: [] };
        out.known.set(path, { ...last, stamp, again: true, brokenSinceMs: sinceMs, stale: false });
        return;
      }
      const state = mergeFile(before, parsed);
      out.known.set(path, { ...state, stamp, again: fresh, brokenSinceMs: null, stale: false });
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return; // gone since it was listed
      out.problems.push(problemOf(path, error));
      if (before !== undefined) out.known.set(path, { ...before, stamp: "", stale: false });
    }
  }
}
