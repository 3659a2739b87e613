import fs from "node:fs";

/**
 * Writes files so that each appears whole: beside its place first, all of them, and only then into it. A watcher never reads half
 * of one, and when the disk refuses, what was there stays and nothing of the new is left.
 * @param files text by path
 * @throws the file system's error
 */
export function writeWholeFiles(files: ReadonlyMap<string, string>): void {
  const staged: string[] = [];
  try {
    for (const [file, text] of files) {
      staged.push(file);
      fs.writeFileSync(beside(file), text, { mode: 0o600 });
    }
    for (const file of files.keys()) fs.renameSync(beside(file), file);
  } catch (e) {
    for (const file of staged) fs.rmSync(beside(file), { force: true });
    throw e;
  }
}

const beside = (file: string): string => `${file}.tmp`;
