import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import type { Logger } from "@lateen/telemetry";

/**
 * A successor is started in the background, so that it does not slow down whom it replaces; from here on it serves. Its session
 * is raised too, where the kernel shares the processor between sessions first.
 */
export function raiseOwnPriority(log: Logger): void {
  for (const thread of readdirSync("/proc/self/task").map(Number)) {
    try {
      if (os.getPriority(thread) > 0) os.setPriority(thread, 0);
    } catch (error) {
      log.debug("a thread keeps its low priority", { thread, error: String(error) });
    }
  }
  try {
    if (/nice [1-9]/.test(readFileSync("/proc/self/autogroup", "utf8"))) writeFileSync("/proc/self/autogroup", "0");
  } catch (error) {
    log.debug("the session keeps its priority", { error: String(error) });
  }
}
