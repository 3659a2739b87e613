import { backoffMs } from "@lateen/certificates";

export type BundleInput =
  /** The bundle that is to be carried, as PEM texts in their order; null: none is told. */
  | { readonly t: "bundle"; readonly roots: readonly string[] | null }
  /** A certificate came with these roots; null: there is none any more. */
  | { readonly t: "held"; readonly holder: string; readonly roots: readonly string[] | null }
  | { readonly t: "tick" };

export type BundleEffect =
  /** Ask the authority for another certificate, though this one is good for long; its answer is the next `held`. */
  | { readonly t: "renew"; readonly holder: string }
  /** Every certificate carries the bundle. Once after each `bundle`. */
  | { readonly t: "settled" }
  /** Give a `tick` at this time, in place of any earlier wish; null for none. */
  | { readonly t: "wake"; readonly atMs: number | null };

export interface BundlePlanOptions {
  /** In [0, 1). */
  readonly random: () => number;
  /** Renewals are spread over so long. */
  readonly spreadMs: number;
}

interface Held {
  key: string;
  /** When it is renewed; null: not because of the bundle. */
  dueMs: number | null;
  /** It was asked for, and its answer has not come. */
  isAsked: boolean;
}

/**
 * Decides which certificates are renewed because the trust bundle changed, and when all carry it. Roots come with each certificate, so
 * a certificate carries a bundle when its roots are those, in their order: the order says which root signs, so that a
 * change of what signs is a change of the bundle too. One certificate goes ahead: as long as the authority does not yet
 * issue with the bundle, that one alone asks again, ever less often; when it has it, the rest follow, spread over time.
 */
export class BundlePlan {
  readonly #o: BundlePlanOptions;
  readonly #held = new Map<string, Held>();
  #bundle: string | null = null;
  #isSettled = true;
  /** Some certificate came with the bundle, and none came without it since. */
  #isProven = false;
  #failures = 0;
  #wakeMs: number | null = null;

  constructor(o: BundlePlanOptions) {
    this.#o = o;
  }

  /** Holders whose certificates do not carry the bundle. */
  get lagging(): readonly string[] {
    return this.#bundle === null ? [] : this.#laggards().map(([holder]) => holder);
  }
  get isSettled(): boolean {
    return this.#isSettled;
  }

  step(input: BundleInput, nowMs: number): readonly BundleEffect[] {
    const effects: BundleEffect[] = [];
    switch (input.t) {
      case "bundle":
        this.#begin(input.roots);
        break;
      case "held":
        this.#take(input.holder, input.roots, nowMs);
        break;
      case "tick":
        this.#wakeMs = null;
    }
    this.#schedule(nowMs);
    effects.push(...this.#renew(nowMs));
    if (this.#bundle !== null && !this.#isSettled && this.lagging.length === 0) {
      this.#isSettled = true;
      effects.push({ t: "settled" });
    }
    const wakeMs = this.#nextMs();
    if (wakeMs !== this.#wakeMs) effects.push({ t: "wake", atMs: wakeMs });
    this.#wakeMs = wakeMs;
    return effects;
  }

  #begin(roots: readonly string[] | null): void {
    const bundle = roots === null ? null : keyOf(roots);
    this.#isSettled = bundle === null;
    if (bundle === this.#bundle) return;
    this.#bundle = bundle;
    this.#failures = 0;
    this.#isProven = [...this.#held.values()].some(({ key }) => key === bundle);
    for (const held of this.#held.values()) {
      held.dueMs = null;
      held.isAsked = false;
    }
  }

  #take(holder: string, roots: readonly string[] | null, nowMs: number): void {
    const before = this.#held.get(holder);
    if (roots === null) return void this.#held.delete(holder);
    const held: Held = { key: keyOf(roots), dueMs: null, isAsked: false };
    this.#held.set(holder, held);
    if (held.key === this.#bundle) {
      this.#isProven = true;
      this.#failures = 0;
    } else if (before?.isAsked === true) {
      // The authority, or the replica of it that answered, does not know the bundle yet.
      this.#isProven = false;
      this.#failures += 1;
      for (const other of this.#held.values()) other.dueMs = null;
      held.dueMs = nowMs + backoffMs(this.#failures, this.#o.random);
    }
  }

  #schedule(nowMs: number): void {
    if (this.#bundle === null) return;
    const laggards = this.#laggards();
    const isUnderWay = laggards.some(([, { dueMs, isAsked }]) => isAsked || dueMs !== null);
    if (!this.#isProven && isUnderWay) return;
    for (const [, held] of this.#isProven ? laggards : laggards.slice(0, 1))
      if (held.dueMs === null && !held.isAsked) held.dueMs = nowMs + this.#o.random() * this.#o.spreadMs;
  }

  #renew(nowMs: number): readonly BundleEffect[] {
    const effects: BundleEffect[] = [];
    for (const [holder, held] of this.#held) {
      if (held.dueMs === null || held.dueMs > nowMs) continue;
      held.dueMs = null;
      held.isAsked = true;
      effects.push({ t: "renew", holder });
    }
    return effects;
  }

  #laggards(): readonly (readonly [string, Held])[] {
    return [...this.#held].filter(([, { key }]) => key !== this.#bundle);
  }

  #nextMs(): number | null {
    let next = Infinity;
    for (const { dueMs } of this.#held.values()) next = Math.min(next, dueMs ?? Infinity);
    return next === Infinity ? null : next;
  }
}

const keyOf = (roots: readonly string[]): string => roots.join("");
