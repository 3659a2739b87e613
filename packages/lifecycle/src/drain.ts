import { Code, MeshError } from "@lateen/errors";
import { type Clock, systemClock } from "./clock.ts";
import { disposable } from "./disposable.ts";

/** The end of something that holds work: first it accepts nothing new, then what is left is let go. */
export interface Drain {
  /** Finish what you hold, accept nothing new. */
  readonly started: AbortSignal;
  /** The deadline passed: let go now. */
  readonly forced: AbortSignal;
  /** Units of work not yet released, those of children included. */
  readonly held: number;
  /**
   * One per unit of work; `run` resolves when all are released. Work that finishes may still hold while the drain runs.
   * @throws MeshError DRAINING once the drain is over
   */
  hold(): Disposable;
  /** Starts the drain. Further calls get the promise of the first. */
  run(graceMs: number): Promise<"clean" | "forced">;
}

/** What a drain is made of. */
export interface DrainOptions {
  readonly clock?: Clock;
  /** The drain that contains this one: its signals reach this one, its `run` waits for what this one holds. */
  readonly parent?: Drain;
  /** How long `run` waits after `forced` for the last releases (default 1 s); then it resolves without them. */
  readonly settleMs?: number;
}

class MeshDrain implements Drain {
  readonly #started = new AbortController();
  readonly #forced = new AbortController();
  readonly #clock: Clock;
  readonly #parent: Drain | null;
  readonly #settleMs: number;
  #held = 0;
  #over = false;
  #running: Promise<"clean" | "forced"> | null = null;
  #onIdle: (() => void) | null = null;

  constructor(o: DrainOptions) {
    this.#clock = o.clock ?? systemClock;
    this.#parent = o.parent ?? null;
    this.#settleMs = o.settleMs ?? 1_000;
    follow(this.#parent?.started, this.#onParentStarted);
    follow(this.#parent?.forced, this.#onParentForced);
  }

  get started(): AbortSignal {
    return this.#started.signal;
  }

  get forced(): AbortSignal {
    return this.#forced.signal;
  }

  get held(): number {
    return this.#held;
  }

  hold(): Disposable {
    if (this.#over) throw new MeshError(Code.Draining, "Cannot take on work: the drain is over");
    const above = this.#parent?.hold();
    this.#held++;
    return disposable(() => {
      above?.[Symbol.dispose]();
      if (--this.#held === 0) this.#onIdle?.();
    });
  }

  run(graceMs: number): Promise<"clean" | "forced"> {
    return (this.#running ??= this.#run(graceMs));
  }

  async #run(graceMs: number): Promise<"clean" | "forced"> {
    this.#started.abort(new MeshError(Code.Draining, "Draining"));
    const outcome = await this.#settled(graceMs);
    this.#over = true;
    this.#parent?.started.removeEventListener("abort", this.#onParentStarted);
    this.#parent?.forced.removeEventListener("abort", this.#onParentForced);
    return outcome;
  }

  #settled(graceMs: number): Promise<"clean" | "forced"> {
    if (this.#held === 0) return Promise.resolve(this.forced.aborted ? "forced" : "clean");
    return new Promise((resolve) => {
      let timer: Disposable | null = null;
      const finish = (): void => {
        timer?.[Symbol.dispose]();
        this.#onIdle = null;
        resolve(this.forced.aborted ? "forced" : "clean");
      };
      const settle = (): void => {
        timer?.[Symbol.dispose]();
        if (this.#onIdle !== null) timer = this.#clock.after(this.#settleMs, finish);
      };
      this.#onIdle = finish;
      if (this.forced.aborted) return settle();
      this.forced.addEventListener("abort", settle, { once: true });
      timer = this.#clock.after(graceMs, this.#force);
    });
  }

  readonly #force = (): void => this.#forced.abort(new MeshError(Code.Draining, "The drain's deadline passed"));
  readonly #onParentStarted = (): void => this.#started.abort(this.#parent?.started.reason);
  readonly #onParentForced = (): void => this.#force();
}

function follow(signal: AbortSignal | undefined, run: () => void): void {
  if (signal?.aborted === true) run();
  else signal?.addEventListener("abort", run, { once: true });
}

/**
 * A drain. The process has one; each pod has one inside it. A child that is over lets go of its parent, so children may come
 * and go for as long as the parent lives, provided that each is run.
 */
export function createDrain(o: DrainOptions = {}): Drain {
  return new MeshDrain(o);
}
