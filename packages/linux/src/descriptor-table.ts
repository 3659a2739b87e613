import fs from "node:fs";
import { F_DUPFD_CLOEXEC } from "./constants.ts";
import { close, fcntl } from "./libc.ts";

/**
 * Makes room for many open descriptors in this process at once. The kernel doubles the table whenever it is full, and in a process
 * with threads waits each time until no processor can still read the old one (RCU): whoever opens the 257th, 513th, … descriptor
 * stands still for 10 to 20 ms. To be called at the start. A place costs 8 bytes, until the process ends.
 * @param count at least 1
 * @returns false when `RLIMIT_NOFILE` allows less: then the table grows as it is used
 */
export function growDescriptorTable(count: number): boolean {
  const fd = fs.openSync("/dev/null", "r");
  try {
    close(fcntl(fd, F_DUPFD_CLOEXEC, count - 1));
    return true;
  } catch {
    return false;
  } finally {
    fs.closeSync(fd);
  }
}
