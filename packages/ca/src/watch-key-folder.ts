import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "@lateen/lifecycle";
import { CA_FILES } from "./root-store.ts";
import { ROTATION_FILE } from "./rotation-file.ts";

const EVERY_MS = 1_000;
const FILES = [...Object.values(CA_FILES), ROTATION_FILE];

/**
 * Looks every second whether files of an authority changed, for file systems do not all tell; says so once they have stood still from
 * one look to the next. Says so at the beginning too: what was read before may not be what stood there at the first look.
 */
export function watchKeyFolder(o: {
  readonly path: string;
  readonly clock: Clock;
  readonly changed: () => void;
}): Disposable {
  let known: string | null = null;
  let seen: string | null = null;
  let isOver = false;
  let timer = o.clock.after(0, () => void look());

  async function look(): Promise<void> {
    const now = (await Promise.all(FILES.map((name) => markOf(join(o.path, name))))).join(" ");
    if (isOver) return;
    if (now !== known && now === seen) {
      known = now;
      o.changed();
    }
    seen = now;
    timer = o.clock.after(EVERY_MS, () => void look());
  }
  return {
    [Symbol.dispose]() {
      isOver = true;
      timer[Symbol.dispose]();
    },
  };
}

/** Different when a file was replaced or written; a file that cannot be looked at is as good as none. */
function markOf(path: string): Promise<string> {
  return stat(path, { bigint: true }).then(
    ({ ino, size, mtimeNs }) => `${ino}/${size}/${mtimeNs}`,
    () => "-",
  );
}
