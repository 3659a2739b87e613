import type { Clock } from "@lateen/lifecycle";
import { BundlePlan, type BundleInput } from "./bundle-plan.ts";

export interface BundleFollowerOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Renewals are spread over so long: 30 s. */
  readonly spreadMs?: number;
  readonly renew: (holder: string) => void;
  /** Every certificate carries the bundle that was told last. */
  readonly onSettled: () => void;
}

/** Sees to it that every certificate of a node carries the trust bundle of the mesh. */
export interface BundleFollower extends Disposable {
  /** The bundle that is in force from now on, as `normalRoots` gives it; null: none is told. */
  follow(roots: readonly string[] | null): void;
  /** A certificate came with these roots, or is gone (null). */
  held(holder: string, roots: readonly string[] | null): void;
  readonly roots: readonly string[] | null;
  readonly isSettled: boolean;
  /** Holders of certificates without the bundle. */
  readonly lagging: readonly string[];
}

const SPREAD_MS = 30_000;

export function createBundleFollower(o: BundleFollowerOptions): BundleFollower {
  const plan = new BundlePlan({ random: o.random, spreadMs: o.spreadMs ?? SPREAD_MS });
  let timer: Disposable | null = null;
  let isOver = false;
  let told: readonly string[] | null = null;

  function input(what: BundleInput): void {
    if (isOver) return;
    for (const effect of plan.step(what, o.clock.nowMs())) {
      switch (effect.t) {
        case "renew":
          o.renew(effect.holder);
          break;
        case "settled":
          o.onSettled();
          break;
        case "wake":
          timer?.[Symbol.dispose]();
          timer = effect.atMs === null ? null : wakeAt(effect.atMs);
      }
    }
  }
  const wakeAt = (atMs: number): Disposable =>
    o.clock.after(Math.max(0, atMs - o.clock.nowMs()), () => input({ t: "tick" }));

  return {
    follow(roots) {
      told = roots;
      input({ t: "bundle", roots });
    },
    held: (holder, roots) => input({ t: "held", holder, roots }),
    get roots() {
      return told;
    },
    get isSettled() {
      return plan.isSettled;
    },
    get lagging() {
      return plan.lagging;
    },
    [Symbol.dispose]() {
      isOver = true;
      timer?.[Symbol.dispose]();
    },
  };
}
