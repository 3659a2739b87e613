import type { BigIntStats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Code, MeshError } from "@lateen/errors";
import type { Problem } from "./problem.ts";

/** A file that may hold objects. */
export interface FoundFile {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  /** Equal while nobody has touched the file. */
  readonly stamp: string;
}

export interface Scan {
  /** By path, in the order in which duplicates are judged. */
  readonly files: ReadonlyMap<string, FoundFile>;
  /** Every folder looked into, to be watched. */
  readonly folders: readonly string[];
  /** Places that could not be looked into: what was known of them stays. */
  readonly unreadable: readonly string[];
  readonly problems: readonly Problem[];
}

/** Files of one folder and all folders in it. */
const MAX_FILES = 10_000;
const MAX_FOLDERS = 1_000;
const MAX_DEPTH = 32;
const MANIFEST = /\.(ya?ml|json)$/i;

interface Walk {
  readonly files: FoundFile[];
  readonly folders: string[];
  readonly unreadable: string[];
  readonly problems: Problem[];
}

/**
 * Lists the manifests in a folder, recursively. Symbolic links are followed; a link back into a folder above it is a problem.
 * Names that begin with a dot are not looked at: editors and ConfigMap volumes keep their own things there.
 */
export async function scanFolder(root: string): Promise<Scan> {
  const walk: Walk = { files: [], folders: [], unreadable: [], problems: [] };
  await enter(walk, root, []);
  const files = walk.files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { ...walk, files: new Map(files.map((f) => [f.path, f])) };
}

/** @param above identities of the folders on the way here */
async function enter(walk: Walk, folder: string, above: readonly string[]): Promise<void> {
  try {
    const { dev, ino } = await stat(folder, { bigint: true });
    const identity = `${dev}:${ino}`;
    if (above.includes(identity)) throw refuse("leads back into a folder above it");
    if (above.length >= MAX_DEPTH) throw refuse(`is more than ${MAX_DEPTH} folders deep`);
    if (walk.folders.length >= MAX_FOLDERS) throw refuse(`is beyond the limit of ${MAX_FOLDERS} folders`);
    const names = await readdir(folder);
    walk.folders.push(folder);
    for (const name of names.sort())
      if (!name.startsWith(".")) await look(walk, join(folder, name), [...above, identity]);
  } catch (error) {
    walk.unreadable.push(folder);
    walk.problems.push(problemOf(folder, error));
  }
}

async function look(walk: Walk, path: string, above: readonly string[]): Promise<void> {
  let stats: BigIntStats;
  try {
    stats = await stat(path, { bigint: true });
  } catch (error) {
    if (isCode(error, "ENOENT") || !MANIFEST.test(path)) return; // gone since it was listed, or nothing of ours
    walk.unreadable.push(path);
    return void walk.problems.push(problemOf(path, error));
  }
  if (stats.isDirectory()) return enter(walk, path, above);
  if (!MANIFEST.test(path)) return;
  if (!stats.isFile()) return void walk.problems.push(problemOf(path, refuse("is not a regular file")));
  if (walk.files.length >= MAX_FILES) {
    if (walk.unreadable.at(-1) !== path && walk.files.length === MAX_FILES) walk.unreadable.push(path);
    return void (
      walk.problems.length < 100 &&
      walk.problems.push(problemOf(path, refuse(`is beyond the limit of ${MAX_FILES} files`)))
    );
  }
  const { size, mtimeNs, ctimeNs, ino } = stats;
  walk.files.push({
    path,
    size: Number(size),
    mtimeMs: Number(stats.mtimeMs),
    stamp: `${ino}:${size}:${mtimeNs}:${ctimeNs}`,
  });
}

const refuse = (message: string): MeshError => new MeshError(Code.BadInput, message);

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "does not exist",
  ENOTDIR: "is not a folder",
  EACCES: "cannot be read: permission denied",
  EPERM: "cannot be read: permission denied",
  ELOOP: "is a symbolic link that leads in a circle",
};

/** What kept a file or folder from being read. */
export function problemOf(file: string, error: unknown): Problem {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const why = MeshError.is(error) ? error.message : (REASONS[code] ?? `cannot be read: ${code || String(error)}`);
  return { severity: "error", file, line: 0, column: 0, object: "", path: "", message: why };
}
