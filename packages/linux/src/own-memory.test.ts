import fs from "node:fs";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { cleanFileMappings, trimMemory } from "./index.ts";

/** One mapping as /proc shows it. */
function mapping(o: { readonly head: string; readonly anonymous?: number; readonly dirty?: number }): string {
  const { head, anonymous = 0, dirty = 0 } = o;
  return `${head}\nSize:               1024 kB\nRss:                 512 kB\nPrivate_Dirty:  ${dirty} kB\nAnonymous:  ${anonymous} kB\nSwap:  0 kB\nLocked:  0 kB\nVmFlags: rd ex mr\n`;
}
const TEXT = "00400000-00500000 r-xp 00001000 08:01 42                         /usr/bin/node";

describe("clean mappings of files", () => {
  test("are those whose pages are the file's", () => {
    const smaps =
      mapping({ head: TEXT }) + mapping({ head: "00600000-00700000 r--p 00201000 08:01 42   /usr/bin/node" });
    expect(cleanFileMappings(smaps)).toEqual([
      { address: 0x400000, bytes: 0x100000 },
      { address: 0x600000, bytes: 0x100000 },
    ]);
  });

  test.each([
    ["relocated ones", mapping({ head: TEXT, anonymous: 4 })],
    ["written ones", mapping({ head: TEXT, dirty: 4 })],
    ["writable ones", mapping({ head: TEXT.replace("r-xp", "rw-p") })],
    ["those that may be made writable by others", mapping({ head: TEXT.replace("r-xp", "r-xs") })],
    ["reserved ones", mapping({ head: TEXT.replace("r-xp", "---p") })],
    ["memory of no file", mapping({ head: "00400000-00500000 r--p 00000000 00:00 0" })],
    ["what has a name and no file", mapping({ head: "7fff0000-7fff2000 r-xp 00000000 00:00 0     [vdso]" })],
    ["files that are gone", mapping({ head: `${TEXT} (deleted)` })],
    ["small ones", mapping({ head: TEXT.replace("00500000", "00404000") })],
    ["those of which the kernel does not say what was changed", `${TEXT}\nRss:      512 kB\n`],
    ["text that is no list", "what is this\n00400000 r-xp"],
  ])("%s are none", (_name, smaps) => expect(cleanFileMappings(smaps)).toEqual([]));
});

describe("trimming", () => {
  const fileKib = (): number => Number(/^RssFile:\s+(\d+)/m.exec(fs.readFileSync("/proc/self/status", "utf8"))?.[1]);

  test.skipIf(process.platform !== "linux")("lets go of pages of the program, which comes back by itself", () => {
    const own = (): readonly object[] => cleanFileMappings(fs.readFileSync("/proc/self/smaps", "utf8"));
    expect(own().length).toBeGreaterThan(0);
    const before = fileKib();
    trimMemory();
    expect(fileKib()).toBeLessThan(before);
    // Whatever runs from here on was mapped again.
    expect(new Intl.NumberFormat("de").format(1234.5)).toBe("1.234,5");
    expect(own().length).toBeGreaterThan(0);
  });
});
