import process from "node:process";
import { trimMemory } from "@lateen/linux";
import { collectGarbage } from "../collect-garbage.ts";
import { RestDetector } from "../rest-detector.ts";

const LOOK_MS = 1_000;
/** The data threads collect meanwhile; what they let go of is given back after it. */
const COLLECT_AFTER_MS = 1_000;
/** What collecting and what came after it have touched once more, and will not again. */
const TRIM_AGAIN_AFTER_MS = 10_000;

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

/**
 * Gives memory back whenever the process has come to rest: V8 and the C library keep what they once had, and the data threads' loops
 * never leave V8 the idle time in which it would collect by itself.
 * @param o.restThreads asks the data threads to do their part
 * @param o.system elsewhere than on Linux only garbage is collected
 */
export function keepAtRest(o: { readonly restThreads: () => void; readonly system: "linux" | "other" }): Disposable {
  const detector = new RestDetector();
  let next: NodeJS.Timeout | null = null;
  const trim = (): void => {
    if (o.system === "linux") trimMemory();
    detector.collected(cpuMs());
  };
  const collect = (): void => {
    collectGarbage();
    trim();
    next = setTimeout(trimAgain, TRIM_AGAIN_AFTER_MS).unref();
  };
  const trimAgain = (): void => {
    next = null;
    if (detector.quiet) trim();
  };
  const timer = setInterval(() => {
    if (!detector.look(cpuMs()) || next !== null) return;
    o.restThreads();
    next = setTimeout(collect, COLLECT_AFTER_MS).unref();
  }, LOOK_MS).unref();
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      if (next !== null) clearTimeout(next);
    },
  };
}
