import fs from "node:fs";
import { MADV_DONTNEED } from "./constants.ts";
import { native } from "./native.ts";

/** Part of a file in this process's memory, not written to and not writable. */
export interface FileMapping {
  readonly address: number;
  readonly bytes: number;
}

/** Smaller ones are not worth a call. */
const WORTHWHILE_BYTES = 256 * 1024;

/**
 * The mappings in the text of `/proc/PID/smaps` that the kernel can fill from their files again: private, read-only, and with no page
 * that differs from the file (as those have that the linker relocated). Pure; lines that it does not understand are skipped.
 */
export function cleanFileMappings(smaps: string): readonly FileMapping[] {
  const found: FileMapping[] = [];
  let candidate: FileMapping | null = null;
  let own = 0;
  let counted = false;
  const end = (): void => {
    if (candidate !== null && counted && own === 0 && candidate.bytes >= WORTHWHILE_BYTES) found.push(candidate);
    candidate = null;
    own = 0;
    counted = false;
  };
  for (const line of smaps.split("\n")) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+\s*(.*)$/.exec(line);
    if (head !== null) {
      end();
      const [, from = "", to = "", rights = "", name = ""] = head;
      if (!/^r-[-x]p$/.test(rights) || !name.startsWith("/") || name.endsWith(" (deleted)")) continue;
      const address = Number.parseInt(from, 16);
      candidate = { address, bytes: Number.parseInt(to, 16) - address };
      continue;
    }
    const changed = /^(Anonymous|Private_Dirty|Swap|Locked): +(\d+) kB$/.exec(line);
    if (changed === null) continue;
    own += Number(changed[2]);
    counted ||= changed[1] === "Anonymous";
  }
  end();
  return found;
}

/**
 * Gives back what this process holds and does not use: free memory of the C library, and pages of programs and libraries, which the
 * kernel maps again, without reading, where they are still in its cache. A resident size counts the latter, though they are the
 * kernel's to take at any time. Some milliseconds, and soft page faults afterwards: for a process that has come to rest.
 */
export function trimMemory(): void {
  const { mallocTrim, madvise } = native();
  mallocTrim(0);
  for (const { address, bytes } of cleanFileMappings(fs.readFileSync("/proc/self/smaps", "utf8")))
    madvise(address, bytes, MADV_DONTNEED);
}
