import { createNetns } from "@lateen/linux";
import type { InPodOptions } from "@lateen/redirection";
import { nodeKernel } from "./node-kernel.ts";

/** As often as makes what the first pods need ready to run: without, each of them takes twice as long as those after them. */
const ROUNDS = 8;

/**
 * Captures a namespace of its own that nobody uses, as pods will be, reads the rules back and removes them: what the kernel of this node
 * cannot do is known when the agent starts, not when the first pod does not.
 * @returns what it refuses or gives back differently; null when all is well
 */
export function checkKernel(options: InPodOptions): string | null {
  try {
    using netns = createNetns();
    using rules = nodeKernel.rules(netns);
    for (let round = 0; round < ROUNDS; round++) {
      rules.apply(options);
      const [differs] = rules.drift(options);
      if (differs !== undefined) return `The rules read back differ: ${differs}`;
      nodeKernel.silentPorts(netns);
    }
    rules.remove(options);
    return null;
  } catch (e) {
    return e instanceof Error ? e.message : String(e);
  }
}
