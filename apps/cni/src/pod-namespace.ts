import { Code, MeshError } from "@lateen/errors";
import type { Netns } from "@lateen/linux";
import type { InPodOptions } from "@lateen/redirection";
import type { Kernel, PodRules } from "./node-kernel.ts";

interface Held {
  readonly netns: Netns;
  readonly rules: PodRules;
}

/** The network namespace of one pod, while it is held, and what was written into it. */
export class PodNamespace {
  readonly #kernel: Pick<Kernel, "rules">;
  #held: Held | null = null;
  #applied: InPodOptions | null = null;

  constructor(kernel: Pick<Kernel, "rules">) {
    this.#kernel = kernel;
  }

  get netns(): Netns | null {
    return this.#held?.netns ?? null;
  }
  /** Options that the rules in the namespace were made from; they stay known when it is let go of. */
  get applied(): InPodOptions | null {
    return this.#applied;
  }

  /**
   * Takes over a namespace, which is closed when that fails, and lets go of the one held.
   * @param applied what its rules were made from, null when it has none that are known
   */
  hold(netns: Netns, applied: InPodOptions | null): void {
    let rules: PodRules;
    try {
      rules = this.#kernel.rules(netns);
    } catch (e) {
      netns[Symbol.dispose]();
      throw e;
    }
    this.letGo();
    this.#held = { netns, rules };
    this.#applied = applied;
  }

  /** The rules stay. */
  letGo(): void {
    this.#held?.rules[Symbol.dispose]();
    this.#held?.netns[Symbol.dispose]();
    this.#held = null;
  }

  /** @throws MeshError BUG when nothing is held */
  opened(): Netns {
    return this.#need().netns;
  }

  /** What is about to be written: known from here on, however much of it gets there. */
  plan(options: InPodOptions): void {
    this.#applied = options;
  }

  /** @throws MeshError BUG when nothing is held */
  apply(options: InPodOptions): void {
    this.#need().rules.apply(options);
  }

  /**
   * @param planned what to compare with while nothing was applied
   * @returns what differs from the plan, a sentence each
   * @throws MeshError BUG when nothing is held
   */
  drift(planned: InPodOptions): readonly string[] {
    return this.#need().rules.drift(this.#applied ?? planned);
  }

  /** @param planned what to remove while nothing was applied */
  remove(planned: InPodOptions): void {
    this.#held?.rules.remove(this.#applied ?? planned);
    this.#applied = null;
  }

  #need(): Held {
    if (this.#held !== null) return this.#held;
    throw new MeshError(Code.Bug, "Cannot go on: the pod's namespace is not open");
  }
}
