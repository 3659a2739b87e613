import fs from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import type { ManifestObject } from "./manifest-object.ts";
import { writeWholeFiles } from "./whole-files.ts";

/** A folder that holds exactly the objects last given to it, one file each. */
export interface ObservedFolder {
  /**
   * Brings the folder up to date; files whose object did not change are not touched.
   * @returns why something could not be written, null when all was
   */
  write(objects: ReadonlyMap<string, ManifestObject>): string | null;
}

export function openObservedFolder(folder: string): ObservedFolder {
  const written = new Map<string, string>();
  const put = (name: string, text: string): void => {
    writeWholeFiles(new Map([[path.join(folder, name), text]]));
    written.set(name, text);
  };
  return {
    write(objects) {
      try {
        for (const [name, object] of objects) {
          const text = stringify(object);
          if (written.get(name) !== text) put(name, text);
        }
        for (const name of [...written.keys()].filter((n) => !objects.has(n))) {
          fs.rmSync(path.join(folder, name), { force: true });
          written.delete(name);
        }
        return null;
      } catch (e) {
        return `Cannot write to "${folder}": ${e instanceof Error ? e.message : String(e)}`;
      }
    },
  };
}
