import { readdirSync } from "node:fs";
import os from "node:os";
import type { Logger } from "@lateen/telemetry";

/** A successor is started in the background, so that it does not slow down whom it replaces; from here on it serves. */
export function raiseOwnPriority(log: Logger): void {
  for (const thread of readdirSync("/proc/self/task").map(Number)) {
    try {
      if (os.getPriority(thread) > 0) os.setPriority(thread, 0);
    } catch (error) {
      log.debug("a thread keeps its low priority", { thread, error: String(error) });
    }
  }
}
