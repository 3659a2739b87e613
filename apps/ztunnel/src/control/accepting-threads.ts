import type { Load, OwnListeners, ToThread } from "../messages.ts";
import { AcceptPolicy, type Accepting } from "./accepting.ts";

/** Between two looks whether fewer would do, or one more. */
const SETTLE_MS = 250;

/** The data threads, as whoever says which of them accept needs them. */
export interface AcceptWorld {
  readonly count: number;
  sendTo(index: number, message: ToThread): void;
  /** The first thread's listeners. Their descriptors are duplicates, the caller's. */
  listeners(): Promise<readonly OwnListeners[]>;
  readonly closeFd: (fd: number) => void;
}

/**
 * Lets as many threads accept as the policy says. The listeners are the first thread's, which always accepts; those that join have
 * duplicates of them for as long, so that a connection is whoever's takes it first, and waits behind nobody.
 */
export class AcceptingThreads implements Disposable {
  readonly #world: AcceptWorld;
  readonly #policy: AcceptPolicy;
  #now: Accepting;
  #timer: NodeJS.Timeout | null = null;
  /** Of sharing out listeners; a further one begins when this is over. */
  #sharing: Promise<void> | null = null;
  #again = false;
  #closed = false;

  constructor(world: AcceptWorld) {
    this.#world = world;
    this.#policy = new AcceptPolicy(world.count);
    this.#now = this.#policy.accepting;
  }

  /** How many accept, and what each of all carries. */
  get state(): { readonly accepting: number; readonly loads: readonly Load[] } {
    return { accepting: this.#now.threads, loads: this.#policy.loads };
  }

  heard(index: number, load: Load): void {
    if (this.#closed) return;
    this.#policy.heard(index, load, performance.now());
    this.#apply();
  }

  /** The first thread has listeners that it did not have before. */
  listenersChanged(): void {
    if (this.#now.threads > 1) this.#share();
  }

  #apply(): void {
    const [before, now] = [this.#now, this.#policy.accepting];
    this.#now = now;
    for (let i = now.threads; i < before.threads; i++) this.#world.sendTo(i, { t: "accept-no-more" });
    const threads = Math.max(before.threads, now.threads);
    for (let i = 0; i < threads; i++) {
      const what = now.yielding[i] ?? "nothing";
      if (what !== (before.yielding[i] ?? "nothing")) this.#world.sendTo(i, { t: "yield", what });
    }
    if (now.threads > before.threads) this.#share();
    this.#settleLater();
  }

  #settleLater(): void {
    if (!this.#policy.unsettled || this.#timer !== null || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#policy.settle(performance.now());
      this.#apply();
    }, SETTLE_MS).unref();
  }

  #share(): void {
    this.#again = true;
    this.#sharing ??= this.#shareAll().finally(() => (this.#sharing = null));
  }

  async #shareAll(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      for (let i = 1; i < this.#now.threads; i++) {
        const pods = await this.#world.listeners();
        // Said after whatever was said while they came: a thread that left meanwhile gets none.
        if (i < this.#now.threads && !this.#closed) this.#world.sendTo(i, { t: "accept", pods });
        else for (const { listeners } of pods) for (const { fd } of listeners) this.#world.closeFd(fd);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}
