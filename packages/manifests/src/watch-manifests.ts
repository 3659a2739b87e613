import { type FSWatcher, watch } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { type Snapshot, filesOf, mergeFolders } from "./folder-state.ts";
import type { Manifest } from "./parse-manifests.ts";
import { WatchedFolder } from "./watched-folder.ts";

export interface WatchOptions {
  /** Later folders override earlier ones, object by object. */
  readonly dirs: readonly string[];
  /**
   * Objects of an earlier run: they hold where their file is still there and cannot be read, as if the watch had never ended.
   * A file that is whole, or gone, counts as it is.
   */
  readonly lastGood?: Iterable<Manifest>;
  /** Ends the watch. */
  readonly signal?: AbortSignal;
  /** Hears every snapshot that differs from the one before, beginning with the first. */
  readonly onChange: (snapshot: Snapshot) => void;
}

export interface ManifestWatch extends AsyncDisposable {
  /** The newest state. */
  readonly snapshot: Snapshot;
}

/** After a notice, so that a burst of writes is one look. */
const SETTLE_MS = 15;
/** While something may be half written. */
const SOON_MS = 50;
/** When nothing says that there is a change: notices can be lost, and some file systems give none. */
const RESCAN_MS = 2_000;

/**
 * Watches folders of YAML and JSON. Level-triggered: whatever was missed is found by the next look, every two seconds at the
 * latest. A file that cannot be read keeps its last good objects and is a problem of the snapshot; a folder that cannot be read
 * keeps everything.
 * @returns once the first state is known; disposing of it stops the watch
 */
export async function watchManifests(o: WatchOptions): Promise<ManifestWatch> {
  const watcher = new Watcher(o);
  await watcher.start();
  return watcher;
}

class Watcher implements ManifestWatch {
  readonly #o: WatchOptions;
  readonly #folders: readonly WatchedFolder[];
  readonly #notices = new Map<string, FSWatcher>();
  readonly #stop = new AbortController();
  #snapshot: Snapshot | null = null;
  #noticed = false;
  #wake: (() => void) | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(o: WatchOptions) {
    this.#o = o;
    const lastGood = [...(o.lastGood ?? [])];
    this.#folders = o.dirs.map((dir) => new WatchedFolder(dir, () => Date.now(), filesOf(dir, lastGood)));
  }

  get snapshot(): Snapshot {
    return this.#snapshot ?? { resources: new Map(), problems: [] };
  }

  async start(): Promise<void> {
    const { signal } = this.#o;
    signal?.throwIfAborted();
    const stop = (): void => this.#stop.abort();
    signal?.addEventListener("abort", stop, { once: true });
    this.#stop.signal.addEventListener("abort", () => {
      signal?.removeEventListener("abort", stop);
      this.#wake?.();
    });
    let state = await this.#look();
    while (state === "pending" && !this.#stop.signal.aborted) {
      await this.#pause(SOON_MS);
      state = await this.#look();
    }
    this.#publish();
    this.#running = this.#run(state);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(first: "settled" | "unsettled" | "pending"): Promise<void> {
    let state = first;
    while (!this.#stop.signal.aborted) {
      await this.#pause(state === "settled" ? RESCAN_MS : SOON_MS);
      if (this.#noticed) await this.#pause(SETTLE_MS, "deaf");
      if (this.#stop.signal.aborted) break;
      state = await this.#look();
      this.#publish();
    }
    for (const watcher of this.#notices.values()) watcher.close();
    this.#notices.clear();
  }

  async #look(): Promise<"settled" | "unsettled" | "pending"> {
    this.#noticed = false;
    const states: string[] = [];
    for (const folder of this.#folders) states.push(await folder.look());
    this.#watchFolders();
    return states.includes("pending") ? "pending" : states.includes("unsettled") ? "unsettled" : "settled";
  }

  #publish(): void {
    const next = mergeFolders(this.#folders);
    const before = this.#snapshot;
    if (before === null || !sameSnapshot(before, next)) {
      this.#snapshot = next;
      this.#o.onChange(next);
    }
  }

  /** One notice per folder: the recursive kind of the runtime loses folders that come and go. */
  #watchFolders(): void {
    const wanted = new Set(this.#folders.flatMap((f) => f.folders));
    for (const [path, watcher] of this.#notices) {
      if (wanted.has(path)) continue;
      watcher.close();
      this.#notices.delete(path);
    }
    for (const path of wanted) if (!this.#notices.has(path)) this.#watchFolder(path);
  }

  #watchFolder(path: string): void {
    try {
      const watcher = watch(path, { persistent: true }, (event, name) => {
        // The folder itself was replaced or removed: its notices are of the old one.
        if (event === "rename" && name !== null && path.endsWith(`/${name}`)) this.#forget(path, watcher);
        this.#notice();
      });
      watcher.on("error", () => this.#forget(path, watcher));
      this.#notices.set(path, watcher);
      // Whatever came between the look and now was not noticed.
      this.#notice();
    } catch {
      // Out of watches, or gone: the periodic look still finds every change.
    }
  }

  #forget(path: string, watcher: FSWatcher): void {
    watcher.close();
    if (this.#notices.get(path) === watcher) this.#notices.delete(path);
  }

  #notice(): void {
    this.#noticed = true;
    this.#wake?.();
  }

  /** Ends early on a notice, unless deaf, and at the stop. */
  async #pause(delayMs: number, mode: "attentive" | "deaf" = "attentive"): Promise<void> {
    if (this.#stop.signal.aborted || (this.#noticed && mode === "attentive")) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        if (mode === "deaf" && !this.#stop.signal.aborted) return;
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(resolve, delayMs);
      this.#wake = end;
    });
    this.#wake = null;
  }
}

function sameSnapshot(a: Snapshot, b: Snapshot): boolean {
  if (a.resources.size !== b.resources.size || !isDeepStrictEqual(a.problems, b.problems)) return false;
  for (const [key, manifest] of b.resources) {
    const other = a.resources.get(key);
    if (other !== manifest && !isDeepStrictEqual(other, manifest)) return false;
  }
  return true;
}
