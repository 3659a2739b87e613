import process from "node:process";
import { trimMemory } from "@lateen/linux";
import { collectGarbage } from "../collect-garbage.ts";
import { RestDetector } from "../rest-detector.ts";

const LOOK_MS = 1_000;
/** The data threads collect meanwhile; what they let go of is given back after it. */
const COLLECT_AFTER_MS = 1_000;

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

/**
 * Gives memory back whenever the process has come to rest, and now and then under a load that goes on: V8 and the C library keep what
 * they once had, and the data threads' loops never leave V8 the idle time in which it would collect by itself.
 * @param o.restThreads asks the data threads to do their part
 * @param o.system elsewhere than on Linux only garbage is collected
 */
export function keepAtRest(o: { readonly restThreads: () => void; readonly system: "linux" | "other" }): Disposable {
  const detector = new RestDetector();
  const trim = (): void => {
    if (o.system === "linux") trimMemory();
  };
  let collecting: NodeJS.Timeout | null = null;
  const tidy = (): void => {
    collectGarbage();
    trim();
    detector.tidied(cpuMs());
  };
  const collect = (): void => {
    collecting = null;
    tidy();
    detector.collected(cpuMs());
  };
  let dueMs = performance.now() + LOOK_MS;
  const look = (): void => {
    const lateMs = performance.now() - dueMs;
    dueMs += lateMs + LOOK_MS;
    if (collecting !== null) return;
    const due = detector.look(cpuMs(), lateMs);
    if (due === "trim") trim();
    if (due === "tidy") tidy();
    if (due !== "collect") return;
    o.restThreads();
    collecting = setTimeout(collect, COLLECT_AFTER_MS).unref();
  };
  const timer = setInterval(look, LOOK_MS).unref();
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      if (collecting !== null) clearTimeout(collecting);
    },
  };
}
